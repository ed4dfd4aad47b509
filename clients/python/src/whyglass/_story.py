"""What a run has told so far. Takes messages as they come and never waits: clients that block and clients that do not
are both made of it."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from whyglass.artifact import Artifact, Floats
from whyglass.catalogue import ClassScore
from whyglass.errors import code_name, from_status
from whyglass.events import Event, Finished, Frame, Metrics, Notice, Placement, Progress, Started, StateChanged
from whyglass.v1 import explain_pb2


class Story:
    def __init__(self) -> None:
        self.run = ""
        self.instance = ""
        self.state = "QUEUED"
        self.artifacts: dict[str, Artifact] = {}
        self.started: Started | None = None
        self.progress: Progress | None = None
        self.metrics: dict[str, float] = {}
        self.notices: list[Notice] = []
        self.finished: Finished | None = None
        self._after = 0

    def accepted(self, message: explain_pb2.Accepted) -> None:
        self.run, self.instance = message.runs[0], message.instance_id

    def rest(self, stream: explain_pb2.StreamOptions) -> explain_pb2.WatchRunsRequest:
        """What asks for everything behind the last event that was seen."""
        cursor = explain_pb2.RunCursor(run=self.run, after_sequence=self._after, instance_id=self.instance)
        return explain_pb2.WatchRunsRequest(runs=explain_pb2.RunCursors(cursors=[cursor]), stream=stream)

    def fill(self, artifact: str, values: Floats) -> Artifact:
        self.artifacts[artifact] = self.artifacts[artifact].filled(values)
        return self.artifacts[artifact]

    def inexact(self) -> list[str]:
        """The artifacts whose numbers are still to be read: pictures travel as JPEG or PNG."""
        return [artifact.id for artifact in self.artifacts.values() if not artifact.exact]

    def take(self, message: explain_pb2.RunEvent) -> Event | None:
        """What is new in it; heartbeats, and what was seen before, are not."""
        if message.sequence <= self._after or self.finished is not None:
            return None
        self._after = message.sequence
        event = self._read(message)
        if event is not None:
            elapsed = message.elapsed.seconds + message.elapsed.nanos / 1e9
            object.__setattr__(event, "sequence", message.sequence)
            object.__setattr__(event, "elapsed", elapsed)
        return event

    def _read(self, message: explain_pb2.RunEvent) -> Event | None:
        kind = message.WhichOneof("event")
        if kind == "state_changed":
            self.state = _state(message.state_changed.state)
            return StateChanged(self.state)
        if kind == "started":
            self.state = "RUNNING"
            self.started = _started(message.started)
            return self.started
        if kind == "progress":
            self.progress = _progress(message.progress)
            return self.progress
        if kind == "keyframe":
            return self._show(Artifact.from_keyframe(message.keyframe))
        if kind == "tiles":
            return self._show(self.artifacts[message.tiles.artifact].with_tiles(message.tiles.tiles))
        if kind == "metrics":
            values = dict(message.metrics.values)
            self.metrics |= values
            return Metrics(values)
        if kind == "notice":
            error = from_status(message.notice.status, "OK")
            self.notices.append(Notice(error.reason, error.message))
            return self.notices[-1]
        if kind == "finished":
            self.finished = _finished(message.finished)
            self.state = self.finished.state
            return self.finished
        return None

    def _show(self, artifact: Artifact) -> Frame:
        self.artifacts[artifact.id] = artifact
        return Frame(artifact)


def _state(number: int) -> str:
    return explain_pb2.RunState.Name(number).removeprefix("RUN_STATE_")


def _started(message: explain_pb2.Started) -> Started:
    resolved = message.resolved
    place = message.placement
    index = resolved.target.class_index if resolved.target.HasField("class_index") else None
    return Started(
        params=_plain(json_format.MessageToDict(resolved.params)),
        seed=resolved.seed,
        target=message.target_label,
        target_index=index,
        scores=tuple(ClassScore.of(score) for score in message.scores),
        placement=Placement(
            place.original_width, place.original_height, place.x, place.y, place.width, place.height
        )
        if message.HasField("placement")
        else None,
    )


def _progress(message: explain_pb2.Progress) -> Progress:
    remaining = message.remaining.seconds + message.remaining.nanos / 1e9 if message.HasField("remaining") else None
    return Progress(message.done, message.total, message.model_evaluations, message.stage, remaining)


def _finished(message: explain_pb2.Finished) -> Finished:
    error = from_status(message.status, code_name(message.status.code))
    manifest = json.loads(message.manifest) if message.manifest else {}
    return Finished(_state(message.state), message.complete, error.code, error.reason, error.message, manifest)


def _plain(value: Any) -> Any:
    """Struct knows doubles only: what has no fraction was an integer."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
