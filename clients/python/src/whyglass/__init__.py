"""Why an image classifier decided what it decided, from a Whyglass server, while it is being computed.

    from whyglass import Client

    client = Client("http://127.0.0.1:50051")
    result = client.explain("occlusion", model="efficientnet-lite0", image="cat.png", size=32).result()
    result.overlay().save("why.png")

`whyglass.aio` has the same for asyncio, `whyglass.errors` what can go wrong, `whyglass.events` what a run tells."""

from whyglass import aio, errors, events
from whyglass.artifact import Artifact
from whyglass.catalogue import ClassScore, Dataset, Item, Layer, Model, ServerInfo, Technique
from whyglass.client import Client
from whyglass.errors import WhyglassError
from whyglass.explanation import Explanation
from whyglass.result import Result

__all__ = [
    "Artifact",
    "ClassScore",
    "Client",
    "Dataset",
    "Explanation",
    "Item",
    "Layer",
    "Model",
    "Result",
    "ServerInfo",
    "Technique",
    "WhyglassError",
    "aio",
    "errors",
    "events",
]
