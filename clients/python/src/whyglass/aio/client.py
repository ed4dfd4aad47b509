"""The client that does not block; the twin of `whyglass.client`, which says what each method does."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from PIL import Image

from whyglass import _methods, _pictures, _request
from whyglass._calls import Place
from whyglass.aio.admin import Admin
from whyglass.aio.calls import Calls
from whyglass.aio.explanation import Explanation
from whyglass.catalogue import ClassScore, Dataset, Item, Layer, Model, ServerInfo, Technique
from whyglass.client import PICTURE_SIDE, SomePage
from whyglass.v1 import catalog_pb2, dataset_pb2, model_pb2


class Client:
    """A connection to a server, to be made within a running event loop; see `whyglass.Client`."""

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

    async def info(self) -> ServerInfo:
        request = catalog_pb2.GetServerInfoRequest()
        return ServerInfo.of(await self._calls.unary(_methods.SERVER_INFO, request, self._timeout))

    async def techniques(self, model: str = "") -> list[Technique]:
        async def page(token: str) -> catalog_pb2.ListTechniquesResponse:
            request = catalog_pb2.ListTechniquesRequest(model=model, page_token=token)
            return await self._calls.unary(_methods.TECHNIQUES, request, self._timeout)

        return [Technique.of(technique) for each in await pages(page) for technique in each.techniques]

    async def models(self) -> list[Model]:
        async def page(token: str) -> model_pb2.ListModelsResponse:
            request = model_pb2.ListModelsRequest(page_token=token)
            return await self._calls.unary(_methods.MODELS, request, self._timeout)

        return [Model.of(model) for each in await pages(page) for model in each.models]

    async def layers(self, model: str) -> list[Layer]:
        async def page(token: str) -> model_pb2.ListLayersResponse:
            request = model_pb2.ListLayersRequest(model=model, page_token=token)
            return await self._calls.unary(_methods.LAYERS, request, self._timeout)

        return [Layer.of(layer) for each in await pages(page) for layer in each.layers]

    async def classify(self, model: str, image: _pictures.Picture, top: int = 5) -> list[ClassScore]:
        request = model_pb2.ClassifyRequest(model=model, image=_pictures.source(image).message, top=top)
        answer = await self._calls.unary(_methods.CLASSIFY, request, self._timeout)
        return [ClassScore.of(score) for score in answer.scores]

    async def datasets(self) -> list[Dataset]:
        async def page(token: str) -> dataset_pb2.ListDatasetsResponse:
            request = dataset_pb2.ListDatasetsRequest(page_token=token)
            return await self._calls.unary(_methods.DATASETS, request, self._timeout)

        return [Dataset.of(dataset) for each in await pages(page) for dataset in each.datasets]

    async def items(self, dataset: str | Dataset) -> list[Item]:
        async def page(token: str) -> dataset_pb2.ListItemsResponse:
            request = dataset_pb2.ListItemsRequest(dataset=_request.dataset_name(dataset), page_token=token)
            return await self._calls.unary(_methods.ITEMS, request, self._timeout)

        return [Item.of(item) for each in await pages(page) for item in each.items]

    async def thumbnail(self, item: Item, size: int = 128) -> Image.Image:
        request = dataset_pb2.GetThumbnailRequest(item=item.name, size=size)
        answer = await self._calls.unary(_methods.THUMBNAIL, request, self._timeout)
        return _pictures.upright(answer.image.data)

    async def explain(
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
        source = None if image is None else _pictures.source(image)
        picture = source.image if source else None
        if isinstance(image, Item):
            picture = await self.thumbnail(image, PICTURE_SIDE)
        given = dict(params or {}) | more
        request = _request.explain(
            technique, model, source, dataset, target, seed, max_duration, frame_interval, given
        )
        subject = source.name if source else request.specs[0].dataset
        return await Explanation(self._calls, request, picture, subject).begin()

    async def close(self) -> None:
        await self._calls.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def pages(ask: Callable[[str], Awaitable[SomePage]]) -> list[SomePage]:
    """All pages of a list; `ask` gives the one behind a token."""
    found, token = [], ""
    while True:
        page = await ask(token)
        found.append(page)
        token = page.next_page_token
        if not token:
            return found
