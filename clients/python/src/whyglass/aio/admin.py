"""The twin of `whyglass.admin`."""

from __future__ import annotations

from whyglass import _methods
from whyglass.aio.calls import Calls
from whyglass.catalogue import Model
from whyglass.v1 import admin_pb2


class Admin:
    """`client.admin`; see `whyglass.admin.Admin`."""

    def __init__(self, calls: Calls, timeout: float | None) -> None:
        self._calls = calls
        self._timeout = timeout

    async def load(self, model: str) -> Model:
        request = admin_pb2.LoadModelRequest(model=model)
        return Model.of((await self._calls.unary(_methods.LOAD_MODEL, request, self._timeout)).model)

    async def unload(self, model: str) -> Model:
        request = admin_pb2.UnloadModelRequest(model=model)
        return Model.of((await self._calls.unary(_methods.UNLOAD_MODEL, request, self._timeout)).model)

    async def drain(self) -> int:
        return (await self._calls.unary(_methods.DRAIN, admin_pb2.DrainRequest(), self._timeout)).active_runs
