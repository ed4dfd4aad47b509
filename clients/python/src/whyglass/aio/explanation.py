"""A run that is being followed without blocking; the twin of `whyglass.explanation`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any

from PIL import Image

from whyglass import _request
from whyglass._methods import CONTROL, EXPLAIN, READ_ARTIFACT, WATCH
from whyglass._patience import Patience, ended_early
from whyglass._told import Told
from whyglass.aio.calls import Calls, Stream
from whyglass.artifact import Floats, read_npy
from whyglass.errors import WhyglassError
from whyglass.events import Event, Frame
from whyglass.result import Result, concluded
from whyglass.v1 import explain_pb2


#: Of a run: both sorts of answers carry an `event`.
Events = Stream[explain_pb2.ExplainResponse] | Stream[explain_pb2.WatchRunsResponse]


class Explanation(Told, AsyncIterator[Event]):
    """Iterate over it with `async for`, then await its `result()`; or await that at once."""

    _stream: Events

    def __init__(
        self, calls: Calls, request: explain_pb2.ExplainRequest, picture: Image.Image | None, subject: str
    ) -> None:
        super().__init__(request, picture, subject)
        self._calls = calls

    async def begin(self) -> Explanation:
        """Asks the server; raises what it refuses."""
        while True:
            stream = self._calls.stream(EXPLAIN, self._request)
            try:
                self._story.accepted((await anext(stream)).accepted)
                self._stream = stream
                return self
            except StopAsyncIteration:
                cause = ended_early()
            except WhyglassError as error:
                cause = error
            await asyncio.sleep(self._patience.pause(cause, self._calls.reached))

    def __aiter__(self) -> Explanation:
        return self

    async def __anext__(self) -> Event:
        while self._story.finished is None and not self._closed:
            try:
                message: explain_pb2.ExplainResponse | explain_pb2.WatchRunsResponse = await anext(self._stream)
            except StopAsyncIteration:
                await self._resume(ended_early())
            except WhyglassError as error:
                await self._resume(error)
            else:
                self._patience.reset()
                event = self._story.take(message.event)
                if isinstance(event, Frame) and event.artifact.reference:
                    event = event.of(self._story.fill(event.artifact.id, await self.read(event.artifact.id)))
                if event is not None:
                    return event
        raise StopAsyncIteration

    async def _resume(self, cause: WhyglassError) -> None:
        if not self._closed:
            await asyncio.sleep(self._patience.pause(cause, self._calls.reached))
            self._stream = self._calls.stream(WATCH, self._story.rest(self._request.stream))

    async def stop(self) -> None:
        """Ends the run early; its best so far is the result."""
        await self._control("stop")

    async def pause(self) -> None:
        """Has the run wait for `resume()`; after ten minutes it is stopped."""
        await self._control("pause")

    async def resume(self) -> None:
        """Goes on after a pause."""
        await self._control("resume")

    async def set(self, **params: Any) -> None:
        """Changes parameters that may change while the run computes."""
        await self._control("set", params)

    async def _control(self, action: str, params: Mapping[str, Any] | None = None) -> None:
        await self._calls.unary(CONTROL, _request.control(self.run, action, params or {}), timeout=30)

    async def read(self, artifact: str) -> Floats:
        """The numbers of an artifact as the server has them now."""
        return read_npy(await self._read(self._reading(artifact)))

    async def figure(self, artifact: str, *, colormap: str = "", alpha: float = 0.5) -> bytes:
        """A PNG of an artifact, drawn by the server with title and colour bar; of points and matrices, too."""
        return await self._read(self._reading(artifact, explain_pb2.Render(colormap=colormap, alpha=alpha)))

    async def _read(self, request: explain_pb2.ReadArtifactRequest) -> bytes:
        """A broken read goes on where it broke."""
        data, patience = bytearray(), Patience()
        while True:
            request.offset = len(data)
            try:
                async for piece in self._calls.stream(READ_ARTIFACT, request):
                    data += piece.data
                    patience.reset()
                return bytes(data)
            except WhyglassError as error:
                await asyncio.sleep(patience.pause(error, self._calls.reached))

    async def result(self) -> Result:
        """Waits for the end. A run that was stopped, or whose time was over, gives its best so far.

        Raises RunFailed with what there is, RunLost where the server forgot the run, Unreachable."""
        async for _ in self:
            pass
        if self._story.finished is not None:
            for artifact in self._story.inexact():
                self._story.fill(artifact, await self.read(artifact))
        return concluded(self._story, self._request.specs[0], self._picture, self._subject)

    def close(self) -> None:
        """Stops watching."""
        self._closed = True
        self._stream.cancel()

    async def __aenter__(self) -> Explanation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
