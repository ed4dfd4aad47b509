"""What a run came to: arrays, what was explained and how, and pictures of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from whyglass import _drawing
from whyglass._story import Story
from whyglass.artifact import Artifact, Floats
from whyglass.catalogue import ClassScore
from whyglass.errors import RunCancelled, RunFailed, WhyglassError
from whyglass.events import Notice, Placement
from whyglass.v1 import explain_pb2


@dataclass(frozen=True)
class Result:
    """A run that has ended. `result["map"]` is the map as an array."""

    #: "runs/…"
    run: str
    technique: str
    model: str
    #: "SUCCEEDED", or "STOPPED" with the best so far.
    state: str
    #: The technique ran to its end.
    complete: bool
    #: Why it ended early, where it did: "STOPPED", "DEADLINE".
    reason: str
    #: The explained class; empty where the technique explains none.
    target: str
    target_index: int | None
    seed: int | None
    #: With every default filled in.
    params: dict[str, Any]
    #: The model's most probable classes, best first.
    scores: tuple[ClassScore, ...]
    metrics: dict[str, float]
    notices: tuple[Notice, ...]
    artifacts: Mapping[str, Artifact]
    placement: Placement | None
    #: What it takes to repeat the run and to trust it.
    manifest: dict[str, Any]
    #: The picture, upright; None where only the server has it.
    picture: Image.Image | None = field(repr=False)
    #: For people: what was explained.
    subject: str
    elapsed: float

    def __getitem__(self, artifact: str) -> Floats:
        return self.artifact(artifact).values

    def artifact(self, name: str | None = None) -> Artifact:
        """The artifact of this name; without one, the first, which is what a person looks at.

        Raises KeyError with the names that there are."""
        found = next(iter(self.artifacts.values()), None) if name is None else self.artifacts.get(name)
        if found is None:
            raise KeyError(f"there is no artifact {name or 'at all'}; there are: {', '.join(self.artifacts) or 'none'}")
        return found

    def overlay(
        self,
        artifact: str | None = None,
        *,
        colormap: str | None = None,
        alpha: float = 0.5,
        clip: float = 99.5,
        picture: Image.Image | None = None,
    ) -> Image.Image:
        """A map over the picture, where the model looked; an image artifact is given as it is.

        `colormap` defaults to turbo, for a signed map to red-blue about zero; colours saturate beyond the percentile
        `clip`. `picture` is for a run whose picture only the server has.

        Raises ValueError for artifacts that do not lie on a picture."""
        chosen = self.artifact(artifact)
        if chosen.kind == "image":
            return chosen.image()
        if chosen.kind != "map":
            raise ValueError(f"the artifact {chosen.id} is of the kind {chosen.kind}, and does not lie on a picture")
        return _drawing.overlay(chosen, picture or self.picture, self.placement, colormap, alpha, clip)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes result.json, and for each artifact its numbers (.npy) and, where it is a map or an image, a picture
        (.png): what `whyglass explain --out` writes. Returns the folder."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        listed = []
        for artifact in self.artifacts.values():
            entry: dict[str, Any] = {"id": artifact.id, "kind": artifact.kind, "shape": list(artifact.values.shape)}
            entry["file"] = f"{artifact.id}.npy"
            np.save(root / entry["file"], artifact.values)
            if artifact.standard_error is not None:
                entry["standard_error"] = f"{artifact.id}-standard-error.npy"
                np.save(root / entry["standard_error"], artifact.standard_error)
            if artifact.kind in ("map", "image"):
                entry["figure"] = f"{artifact.id}.png"
                self.overlay(artifact.id).save(root / entry["figure"])
            listed.append(entry)
        document = json.dumps(self._document() | {"artifacts": listed}, indent=2, ensure_ascii=False)
        (root / "result.json").write_text(document + "\n", encoding="utf-8")
        return root

    def _document(self) -> dict[str, Any]:
        target = None if self.target_index is None else {"index": self.target_index, "label": self.target}
        return {
            "technique": self.technique,
            "model": self.model,
            "image": self.subject,
            "state": self.state,
            "complete": self.complete,
            "target": target,
            "seed": self.seed,
            "params": self.params,
            "scores": [asdict(score) for score in self.scores],
            "metrics": self.metrics,
            "notices": [{"reason": notice.reason, "message": notice.message} for notice in self.notices],
            "placement": None if self.placement is None else asdict(self.placement),
            "manifest": self.manifest,
        }

    def _repr_html_(self) -> str:
        from whyglass import notebook

        return notebook.html_of(self)


def concluded(
    story: Story, spec: explain_pb2.RunSpec, picture: Image.Image | None, subject: str
) -> Result:
    """The result of a run that has ended.

    Raises RunFailed or RunCancelled, with the result in it."""
    started, finished = story.started, story.finished
    if finished is None:
        raise WhyglassError("this explanation was closed before its end")
    result = Result(
        run=story.run,
        technique=spec.technique,
        model=spec.model,
        state=finished.state,
        complete=finished.complete,
        reason=finished.reason,
        target=started.target if started else "",
        target_index=started.target_index if started else None,
        seed=started.seed if started else None,
        params=started.params if started else {},
        scores=started.scores if started else (),
        metrics=dict(story.metrics),
        notices=tuple(story.notices),
        artifacts=dict(story.artifacts),
        placement=started.placement if started else None,
        manifest=finished.manifest,
        picture=picture,
        subject=subject,
        elapsed=finished.elapsed,
    )
    if finished.state in ("FAILED", "CANCELLED"):
        kind = RunFailed if finished.state == "FAILED" else RunCancelled
        message = finished.message or f"the run was {finished.state.lower()}"
        error = kind(message, code=finished.code, reason=finished.reason)
        error.result = result
        raise error
    return result
