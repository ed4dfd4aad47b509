"""What a server has: models, layers, techniques, datasets, and what a model sees in a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from whyglass.v1 import catalog_pb2, dataset_pb2, model_pb2, types_pb2


@dataclass(frozen=True)
class ServerInfo:
    version: str
    #: Changes with each restart.
    instance_id: str
    max_image_bytes: int
    max_concurrent_runs: int

    @classmethod
    def of(cls, message: catalog_pb2.GetServerInfoResponse) -> ServerInfo:
        limits = message.limits
        return cls(message.version, message.instance_id, limits.max_image_bytes, limits.max_concurrent_runs)


@dataclass(frozen=True)
class Model:
    name: str
    title: str
    #: "UNLOADED", "LOADING", "READY" or "FAILED".
    state: str
    #: Why it failed, where it did.
    state_reason: str
    backend: str
    #: Height and width in pixels; 0 while unknown.
    input_size: tuple[int, int]
    #: Names of the classes by index; empty until it is loaded.
    labels: tuple[str, ...]
    capabilities: tuple[str, ...]

    @classmethod
    def of(cls, message: model_pb2.Model) -> Model:
        return cls(
            name=message.name,
            title=message.title,
            state=model_pb2.Model.State.Name(message.state).removeprefix("STATE_"),
            state_reason=message.state_reason,
            backend=message.backend,
            input_size=(message.input_height, message.input_width),
            labels=tuple(message.labels),
            capabilities=tuple(message.capabilities),
        )


@dataclass(frozen=True)
class Layer:
    id: str
    op: str
    shape: tuple[int, ...]
    #: C×H×W with a known place in the picture.
    spatial: bool
    differentiable: bool

    @classmethod
    def of(cls, message: model_pb2.Layer) -> Layer:
        return cls(message.id, message.op, tuple(message.shape), message.spatial, message.differentiable)


@dataclass(frozen=True)
class Technique:
    id: str
    title: str
    description: str
    paper: str
    family: str
    #: JSON Schema of the parameters.
    schema: dict[str, Any]
    #: The ids of the artifacts that it yields; the first is what a person looks at.
    artifacts: tuple[str, ...]
    needs: tuple[str, ...]

    @classmethod
    def of(cls, message: catalog_pb2.Technique) -> Technique:
        return cls(
            id=message.id,
            title=message.title,
            description=message.description,
            paper=message.paper,
            family=message.family,
            schema=json.loads(message.params_schema or "{}"),
            artifacts=tuple(artifact.id for artifact in message.artifacts),
            needs=tuple(message.needs),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults of its parameters, by name."""
        return {name: schema.get("default") for name, schema in self.schema.get("properties", {}).items()}


@dataclass(frozen=True)
class ClassScore:
    index: int
    label: str
    logit: float
    #: 0…1
    probability: float

    @classmethod
    def of(cls, message: types_pb2.ClassScore) -> ClassScore:
        return cls(message.index, message.label, message.logit, message.probability)


@dataclass(frozen=True)
class Dataset:
    #: "datasets/digits"
    name: str
    title: str
    items: int
    classes: tuple[str, ...]
    #: What is wrong with it, where it cannot be used.
    problem: str

    @classmethod
    def of(cls, message: dataset_pb2.Dataset) -> Dataset:
        return cls(message.name, message.title, message.items, tuple(message.classes), message.problem)


@dataclass(frozen=True)
class Item:
    """A picture of a dataset; can be given wherever a picture is wanted."""

    #: "datasets/digits/items/7/0001.png"
    name: str
    #: The name of its class; may be empty.
    class_name: str

    @classmethod
    def of(cls, message: dataset_pb2.Item) -> Item:
        return cls(message.name, getattr(message, "class"))
