"""A run that is being followed: an iterator over its events that survives lost connections."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from PIL import Image

from whyglass import _request
from whyglass._calls import Answers, Calls, Stream
from whyglass._methods import CONTROL, EXPLAIN, READ_ARTIFACT, WATCH
from whyglass._patience import Patience, ended_early
from whyglass._told import Told
from whyglass.artifact import Floats, read_npy
from whyglass.errors import WhyglassError
from whyglass.events import Event, Frame
from whyglass.result import Result, concluded
from whyglass.v1 import explain_pb2


#: Of a run: both sorts of answers carry an `event`.
Events = Answers[explain_pb2.ExplainResponse | explain_pb2.WatchRunsResponse]


class Explanation(Told, Iterator[Event]):
    """Iterate over it to see the explanation grow, then ask for its `result()`; or ask at once. In a notebook it shows
    itself, live, as the last line of a cell. A run that nobody follows any more ends after 30 s."""

    def __init__(
        self, calls: Calls, request: explain_pb2.ExplainRequest, picture: Image.Image | None, subject: str
    ) -> None:
        super().__init__(request, picture, subject)
        self._calls = calls
        self._stream: Events = self._begin()

    def _begin(self) -> Stream[explain_pb2.ExplainResponse]:
        while True:
            stream = self._calls.stream(EXPLAIN, self._request)
            try:
                self._story.accepted(next(stream).accepted)
                return stream
            except StopIteration:
                cause = ended_early()
            except WhyglassError as error:
                cause = error
            time.sleep(self._patience.pause(cause, self._calls.reached))

    def __iter__(self) -> Explanation:
        return self

    def __next__(self) -> Event:
        while self._story.finished is None and not self._closed:
            try:
                message = next(self._stream)
            except StopIteration:
                self._resume(ended_early())
            except WhyglassError as error:
                self._resume(error)
            else:
                self._patience.reset()
                event = self._story.take(message.event)
                if isinstance(event, Frame) and event.artifact.reference:
                    event = event.of(self._story.fill(event.artifact.id, self.read(event.artifact.id)))
                if event is not None:
                    return event
        raise StopIteration

    def _resume(self, cause: WhyglassError) -> None:
        if not self._closed:
            time.sleep(self._patience.pause(cause, self._calls.reached))
            watching: Stream[explain_pb2.WatchRunsResponse]
            watching = self._calls.stream(WATCH, self._story.rest(self._request.stream))
            self._stream = watching

    def stop(self) -> None:
        """Ends the run early; its best so far is the result."""
        self._control("stop")

    def pause(self) -> None:
        """Has the run wait for `resume()`; after ten minutes it is stopped."""
        self._control("pause")

    def resume(self) -> None:
        """Goes on after a pause."""
        self._control("resume")

    def set(self, **params: Any) -> None:
        """Changes parameters that may change while the run computes."""
        self._control("set", params)

    def _control(self, action: str, params: Mapping[str, Any] | None = None) -> None:
        self._calls.unary(CONTROL, _request.control(self.run, action, params or {}), timeout=30)

    def read(self, artifact: str) -> Floats:
        """The numbers of an artifact as the server has them now."""
        return read_npy(self._read(self._reading(artifact)))

    def figure(self, artifact: str, *, colormap: str = "", alpha: float = 0.5) -> bytes:
        """A PNG of an artifact, drawn by the server with title and colour bar; of points and matrices, too."""
        return self._read(self._reading(artifact, explain_pb2.Render(colormap=colormap, alpha=alpha)))

    def _read(self, request: explain_pb2.ReadArtifactRequest) -> bytes:
        """A broken read goes on where it broke."""
        data, patience = bytearray(), Patience()
        while True:
            request.offset = len(data)
            try:
                for piece in self._calls.stream(READ_ARTIFACT, request):
                    data += piece.data
                    patience.reset()
                return bytes(data)
            except WhyglassError as error:
                time.sleep(patience.pause(error, self._calls.reached))

    def result(self) -> Result:
        """Waits for the end. A run that was stopped, or whose time was over, gives its best so far.

        Raises RunFailed with what there is, RunLost where the server forgot the run, Unreachable."""
        for _ in self:
            pass
        if self._story.finished is not None:
            for artifact in self._story.inexact():
                self._story.fill(artifact, self.read(artifact))
        return concluded(self._story, self._request.specs[0], self._picture, self._subject)

    def _ipython_display_(self) -> None:
        from whyglass import notebook

        notebook.follow(self)

    def close(self) -> None:
        """Stops watching."""
        self._closed = True
        self._stream.cancel()

    def __enter__(self) -> Explanation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
