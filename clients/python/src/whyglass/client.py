"""The client: what a server has, what a model sees, and explanations. Calls block; `whyglass.aio` has the twin that does
not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, TypeVar

from PIL import Image

from whyglass import _methods, _pictures, _request
from whyglass._calls import Calls, Place
from whyglass.admin import Admin
from whyglass.catalogue import ClassScore, Dataset, Item, Layer, Model, ServerInfo, Technique
from whyglass.explanation import Explanation
from whyglass.v1 import catalog_pb2, dataset_pb2, model_pb2

#: The longer side, in pixels, of a dataset's picture that an overlay is drawn on.
PICTURE_SIDE = 1024


class Page(Protocol):
    next_page_token: str


SomePage = TypeVar("SomePage", bound=Page)


class Client:
    """A connection to a server: `Client("127.0.0.1:50051")`, `Client("https://lens.example", ca="lens.pem")`.

    `token` defaults to the variable WHYGLASS_TOKEN; `ca` is a PEM file with the certificate that the server's is signed
    by, for those that no authority of this machine knows. `timeout` is in seconds and for each answer but those of
    explanations: a model that is asked for the first time is loaded then. Nothing is called before it is needed.

    Methods raise the errors of `whyglass.errors`."""

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        token: str | None = None,
        ca: str | os.PathLike[str] | None = None,
        timeout: float | None = 120,
    ) -> None:
        self._calls = Calls(Place.of(address, token, ca))
        self._timeout = timeout
        self.admin = Admin(self._calls, timeout)

    def info(self) -> ServerInfo:
        """Version, instance and limits."""
        return ServerInfo.of(
            self._calls.unary(_methods.SERVER_INFO, catalog_pb2.GetServerInfoRequest(), self._timeout)
        )

    def techniques(self, model: str = "") -> list[Technique]:
        """All techniques, or those that can run on `model`."""

        def page(token: str) -> catalog_pb2.ListTechniquesResponse:
            request = catalog_pb2.ListTechniquesRequest(model=model, page_token=token)
            return self._calls.unary(_methods.TECHNIQUES, request, self._timeout)

        return [Technique.of(technique) for each in pages(page) for technique in each.techniques]

    def models(self) -> list[Model]:
        """All models; those that are not loaded yet say less of themselves."""

        def page(token: str) -> model_pb2.ListModelsResponse:
            return self._calls.unary(_methods.MODELS, model_pb2.ListModelsRequest(page_token=token), self._timeout)

        return [Model.of(model) for each in pages(page) for model in each.models]

    def layers(self, model: str) -> list[Layer]:
        """The layers of a model, from the input to the logits."""

        def page(token: str) -> model_pb2.ListLayersResponse:
            request = model_pb2.ListLayersRequest(model=model, page_token=token)
            return self._calls.unary(_methods.LAYERS, request, self._timeout)

        return [Layer.of(layer) for each in pages(page) for layer in each.layers]

    def classify(self, model: str, image: _pictures.Picture, top: int = 5) -> list[ClassScore]:
        """The most probable classes, best first."""
        request = model_pb2.ClassifyRequest(model=model, image=_pictures.source(image).message, top=top)
        answer = self._calls.unary(_methods.CLASSIFY, request, self._timeout)
        return [ClassScore.of(score) for score in answer.scores]

    def datasets(self) -> list[Dataset]:
        """The datasets of the server."""

        def page(token: str) -> dataset_pb2.ListDatasetsResponse:
            request = dataset_pb2.ListDatasetsRequest(page_token=token)
            return self._calls.unary(_methods.DATASETS, request, self._timeout)

        return [Dataset.of(dataset) for each in pages(page) for dataset in each.datasets]

    def items(self, dataset: str | Dataset) -> list[Item]:
        """The pictures of a dataset."""

        def page(token: str) -> dataset_pb2.ListItemsResponse:
            request = dataset_pb2.ListItemsRequest(dataset=_request.dataset_name(dataset), page_token=token)
            return self._calls.unary(_methods.ITEMS, request, self._timeout)

        return [Item.of(item) for each in pages(page) for item in each.items]

    def thumbnail(self, item: Item, size: int = 128) -> Image.Image:
        """A dataset's picture, its longer side at most `size` pixels."""
        request = dataset_pb2.GetThumbnailRequest(item=item.name, size=size)
        return _pictures.upright(self._calls.unary(_methods.THUMBNAIL, request, self._timeout).image.data)

    def explain(
        self,
        technique: str,
        *,
        model: str,
        image: _pictures.Picture | None = None,
        dataset: str | Dataset | None = None,
        target: int | str | None = None,
        seed: int | None = None,
        max_duration: float | None = None,
        frame_interval: float = 0.0,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Explanation:
        """Starts an explanation of a picture, or of a whole dataset for techniques that look at one.

        `target` is the class to explain, by index or label; without it, what the model sees. Parameters of the technique
        are given by name, or as a mapping in `params`. After `max_duration` seconds the best so far is the result.
        Frames of one artifact are at least `frame_interval` seconds apart; nothing is lost, the next one carries it.

        With a `seed`, a server may answer with the run that another has asked for already; it is stopped for both."""
        source = None if image is None else _pictures.source(image)
        picture = source.image if source else None
        if isinstance(image, Item):
            picture = self.thumbnail(image, PICTURE_SIDE)
        given = dict(params or {}) | more
        request = _request.explain(
            technique, model, source, dataset, target, seed, max_duration, frame_interval, given
        )
        subject = source.name if source else request.specs[0].dataset
        return Explanation(self._calls, request, picture, subject)

    def close(self) -> None:
        self._calls.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def pages(ask: Callable[[str], SomePage]) -> Iterator[SomePage]:
    """Page after page of a list; `ask` gives the one behind a token."""
    token = ""
    while True:
        page = ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return
