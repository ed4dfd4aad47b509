"""From the arguments of `explain` to its request, and what follows a run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import duration_pb2, struct_pb2

from whyglass import _pictures
from whyglass.catalogue import Dataset
from whyglass.v1 import explain_pb2, types_pb2

#: How long the server keeps a run for a client that lost its connection.
_LINGER_SECONDS = 30


def explain(
    technique: str,
    model: str,
    source: _pictures.Source | None,
    dataset: str | Dataset | None,
    target: int | str | None,
    seed: int | None,
    max_duration: float | None,
    frame_interval: float,
    params: Mapping[str, Any],
) -> explain_pb2.ExplainRequest:
    """Raises ValueError where there is neither a picture nor a dataset, or both."""
    if (source is None) == (dataset is None):
        raise ValueError("give image=… or, for a technique that looks at a whole dataset, dataset=…")
    spec = explain_pb2.RunSpec(technique=technique, model=model, params=_struct(params))
    if source is not None:
        spec.image.CopyFrom(source.message)
    if dataset is not None:
        spec.dataset = dataset_name(dataset)
    if isinstance(target, str):
        spec.target.CopyFrom(types_pb2.Target(class_label=target))
    elif target is not None:
        spec.target.CopyFrom(types_pb2.Target(class_index=target))
    if seed is not None:
        spec.seed = seed
    if max_duration is not None:
        spec.max_duration.CopyFrom(_duration(max_duration))
    return explain_pb2.ExplainRequest(
        specs=[spec],
        # The same id again joins the same run: asking twice creates nothing twice.
        request_id=str(uuid.uuid4()),
        linger=_duration(_LINGER_SECONDS),
        stream=explain_pb2.StreamOptions(min_frame_interval=_duration(frame_interval)),
    )


def dataset_name(dataset: str | Dataset) -> str:
    """"digits" and "datasets/digits" are the same."""
    name = dataset.name if isinstance(dataset, Dataset) else dataset
    return name if name.startswith("datasets/") else f"datasets/{name}"


def control(run: str, action: str, params: Mapping[str, Any]) -> explain_pb2.ControlRunRequest:
    request = explain_pb2.ControlRunRequest(run=run)
    if action == "stop":
        request.stop.SetInParent()
    elif action == "pause":
        request.pause.SetInParent()
    elif action == "resume":
        request.resume.SetInParent()
    else:
        request.set_params.params.CopyFrom(_struct(params))
    return request


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def _struct(params: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update({name: _plain(value) for name, value in params.items()})
    return struct


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
