"""Artifacts: what a run yields, as arrays. A keyframe makes one, tiles make the next one of it; none is ever changed."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from whyglass.v1 import catalog_pb2, explain_pb2, types_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

Floats = npt.NDArray[np.float32]
Kind = Literal["map", "image", "points", "matrix", "series", "table"]

_KINDS: dict[int, Kind] = {
    catalog_pb2.ARTIFACT_KIND_ATTRIBUTION_MAP: "map",
    catalog_pb2.ARTIFACT_KIND_IMAGE: "image",
    catalog_pb2.ARTIFACT_KIND_POINTS: "points",
    catalog_pb2.ARTIFACT_KIND_MATRIX: "matrix",
    catalog_pb2.ARTIFACT_KIND_SERIES: "series",
    catalog_pb2.ARTIFACT_KIND_TABLE: "table",
}
_TYPES: dict[int, str] = {
    types_pb2.DATA_TYPE_U8: "u1",
    types_pb2.DATA_TYPE_F16: "<f2",
    types_pb2.DATA_TYPE_F32: "<f4",
    types_pb2.DATA_TYPE_I64: "<i8",
}


@dataclass(frozen=True)
class Artifact:
    """Something that a technique yields. Arrays are read-only; `.copy()` them to change them."""

    #: "map"
    id: str
    kind: Kind
    #: A map is H×W at its own grid, NaN where not computed yet; an image 3×H×W in 0…1; points n×2 or n×3.
    values: Floats
    #: Of each value, of a technique that samples.
    standard_error: Floats | None = None
    #: Input pixels per cell of a map: rows, columns.
    cell: tuple[float, float] = (1.0, 1.0)
    #: A map of positive and negative evidence.
    signed: bool = False
    #: The class that a map explains.
    class_index: int | None = None
    #: The layer that it was computed at; may be empty.
    layer: str = ""
    #: Names of the rows and columns of a matrix, a series or a table.
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unit: str = ""
    #: Of points: the dataset's items, their classes, and what the model took them for.
    items: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    predictions: tuple[int, ...] = ()
    classes: dict[int, str] = field(default_factory=dict)
    #: The last word of this artifact.
    final: bool = False
    #: Where the numbers have to be read from, as they were too many for an event; else empty.
    reference: str = field(default="", repr=False)
    #: The numbers themselves, not those of a picture that was made of them.
    exact: bool = field(default=True, repr=False)

    @classmethod
    def from_keyframe(cls, frame: explain_pb2.Keyframe) -> Artifact:
        content = frame.WhichOneof("content")
        if content == "tensor":
            values = array(frame.tensor)
        elif content == "picture":
            values = _pixels(frame.picture.data)
        else:
            values = np.empty((0, 0), np.float32)
        return cls(
            id=frame.artifact,
            kind=_KINDS.get(frame.kind, "table"),
            values=_frozen(values),
            standard_error=_frozen(array(frame.standard_error)) if frame.HasField("standard_error") else None,
            cell=(frame.cell_height or 1.0, frame.cell_width or 1.0),
            signed=frame.signed,
            class_index=frame.class_index if frame.HasField("class_index") else None,
            layer=frame.layer,
            rows=tuple(frame.table.rows),
            columns=tuple(frame.table.columns),
            unit=frame.table.unit,
            items=tuple(frame.points.items),
            labels=tuple(frame.points.labels),
            predictions=tuple(frame.points.predictions),
            classes=dict(frame.points.classes),
            final=frame.final,
            reference=frame.reference if content == "reference" else "",
            exact=content == "tensor",
        )

    def with_tiles(self, tiles: Iterable[explain_pb2.Tile]) -> Artifact:
        values = self.values.copy()
        errors = None if self.standard_error is None else self.standard_error.copy()
        for tile in tiles:
            _place(values, tile, tile.tensor)
            if tile.HasField("standard_error"):
                errors = np.full_like(values, np.nan) if errors is None else errors
                _place(errors, tile, tile.standard_error)
        return replace(self, values=_frozen(values), standard_error=None if errors is None else _frozen(errors))

    def filled(self, values: Floats) -> Artifact:
        """With the numbers that a reference or a picture stood for."""
        return replace(self, values=_frozen(values), reference="", exact=True)

    @property
    def computed(self) -> float:
        """The share of cells that have a value, 0…1."""
        return float(np.isfinite(self.values).mean()) if self.values.size else 0.0

    def image(self) -> Image.Image:
        """An image artifact as a picture.

        Raises ValueError for any other kind."""
        if self.kind != "image" or self.values.ndim != 3:
            raise ValueError(f"the artifact {self.id} is no image but a {self.kind}")
        pixels = np.clip(self.values.transpose(1, 2, 0) * 255 + 0.5, 0, 255).astype(np.uint8)
        return Image.fromarray(pixels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype) if copy or dtype is not None else self.values


def array(tensor: types_pb2.Tensor) -> Floats:
    """A tensor as float32."""
    kind = _TYPES.get(tensor.data_type)
    if kind is None:
        raise ValueError(f"a tensor of type {tensor.data_type} cannot be read; is this package older than the server?")
    return np.frombuffer(tensor.data, dtype=kind).reshape(tuple(tensor.shape)).astype(np.float32)


def read_npy(data: bytes) -> Floats:
    """A .npy file as it comes from the server."""
    values: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return values.astype(np.float32)


def _place(into: Floats, tile: explain_pb2.Tile, tensor: types_pb2.Tensor) -> None:
    part = array(tensor)
    into[tile.y : tile.y + part.shape[0], tile.x : tile.x + part.shape[1]] = part


def _pixels(data: bytes) -> Floats:
    rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float32)
    return np.ascontiguousarray(rgb.transpose(2, 0, 1) / 255)


def _frozen(values: Floats) -> Floats:
    values.flags.writeable = False
    return values
