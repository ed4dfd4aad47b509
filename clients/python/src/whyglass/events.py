"""What happens to a run, as it is told: made for `match`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from whyglass.artifact import Artifact
from whyglass.catalogue import ClassScore


@dataclass(frozen=True)
class Placement:
    """Where the model's input lies in the upright original picture, in its pixels."""

    original_width: int
    original_height: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Event:
    """Something that happened to a run."""

    sequence: int = field(default=0, kw_only=True)
    #: Seconds since the run was created.
    elapsed: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class StateChanged(Event):
    """It was queued, paused, resumed: "QUEUED", "RUNNING", "PAUSED"."""

    state: str


@dataclass(frozen=True)
class Started(Event):
    """It runs now, with every default filled in."""

    params: dict[str, Any]
    seed: int
    #: The explained class, where the technique explains one.
    target: str
    target_index: int | None
    #: The model's most probable classes for the picture, best first.
    scores: tuple[ClassScore, ...]
    placement: Placement | None


@dataclass(frozen=True)
class Progress(Event):
    """How far it is. `total` is 0 and `remaining` None where that is not known."""

    done: int
    total: int
    evaluations: int
    stage: str
    #: Seconds, estimated.
    remaining: float | None


@dataclass(frozen=True)
class Frame(Event):
    """An artifact as it stands now."""

    artifact: Artifact

    def of(self, artifact: Artifact) -> Frame:
        """The same with another state of the artifact."""
        return replace(self, artifact=artifact)


@dataclass(frozen=True)
class Metrics(Event):
    """Numbers that the technique reports, by name."""

    values: dict[str, float]


@dataclass(frozen=True)
class Notice(Event):
    """Something that a person should know."""

    reason: str
    message: str


@dataclass(frozen=True)
class Finished(Event):
    """The last event. "SUCCEEDED", "STOPPED", "CANCELLED" or "FAILED"."""

    state: str
    complete: bool
    #: gRPC's name of the code: "OK" for the first two.
    code: str
    reason: str
    message: str
    manifest: dict[str, Any]
