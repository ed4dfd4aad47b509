"""What is known of a run while it is followed: the same for clients that block and clients that do not."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from whyglass._patience import Patience
from whyglass._story import Story
from whyglass.artifact import Artifact
from whyglass.events import Notice, Progress, Started
from whyglass.v1 import explain_pb2


class Told:
    def __init__(self, request: explain_pb2.ExplainRequest, picture: Image.Image | None, subject: str) -> None:
        self._request = request
        self._picture = picture
        self._subject = subject
        self._story = Story()
        self._patience = Patience()
        self._closed = False

    @property
    def run(self) -> str:
        """The run's name, "runs/…"."""
        return self._story.run

    @property
    def technique(self) -> str:
        return self._request.specs[0].technique

    @property
    def state(self) -> str:
        """"QUEUED", "RUNNING", "PAUSED", "SUCCEEDED", "STOPPED", "CANCELLED" or "FAILED"."""
        return self._story.state

    @property
    def started(self) -> Started | None:
        return self._story.started

    @property
    def progress(self) -> Progress | None:
        return self._story.progress

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """As far as they have come."""
        return dict(self._story.artifacts)

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(self._story.notices)

    @property
    def picture(self) -> Image.Image | None:
        return self._picture

    def _reading(self, artifact: str, render: explain_pb2.Render | None = None) -> explain_pb2.ReadArtifactRequest:
        return explain_pb2.ReadArtifactRequest(name=f"{self.run}/artifacts/{artifact}", render=render)
