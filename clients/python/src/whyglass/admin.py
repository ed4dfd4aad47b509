"""What only an administrator may do: load and forget models, have a server take no more runs."""

from __future__ import annotations

from whyglass import _methods
from whyglass._calls import Calls
from whyglass.catalogue import Model
from whyglass.v1 import admin_pb2


class Admin:
    """`client.admin`. Without a token with the role admin each method raises PermissionDenied."""

    def __init__(self, calls: Calls, timeout: float | None) -> None:
        self._calls = calls
        self._timeout = timeout

    def load(self, model: str) -> Model:
        """Loads a model now rather than when it is first asked for; one that failed is tried again."""
        request = admin_pb2.LoadModelRequest(model=model)
        return Model.of(self._calls.unary(_methods.LOAD_MODEL, request, self._timeout).model)

    def unload(self, model: str) -> Model:
        """Forgets a model: it is loaded again when it is next asked for. Runs that use it go on."""
        request = admin_pb2.UnloadModelRequest(model=model)
        return Model.of(self._calls.unary(_methods.UNLOAD_MODEL, request, self._timeout).model)

    def drain(self) -> int:
        """Has the server take no more runs, until it is started anew; gives the number of runs that are left."""
        return self._calls.unary(_methods.DRAIN, admin_pb2.DrainRequest(), self._timeout).active_runs
