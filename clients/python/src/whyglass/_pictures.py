"""Pictures as people have them, as the message that carries them, and as what an overlay is drawn on."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from whyglass.catalogue import Item
from whyglass.v1 import types_pb2

#: A path, the bytes of a file, a Pillow picture, an array, or a dataset's item. Arrays are H×W×3 or H×W of uint8, or
#: 3×H×W of floats in 0…1 at the model's input size, which is what the model then sees, bit for bit.
Picture = str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any] | Item


@dataclass(frozen=True)
class Source:
    """A picture on its way to a server."""

    message: types_pb2.ImageSource
    #: For people: a file as it was named.
    name: str
    #: Upright; unknown for an item, which the server has.
    image: Image.Image | None


def source(picture: Picture) -> Source:
    """Raises ValueError for what is no picture, OSError for a file that cannot be read."""
    if isinstance(picture, Item):
        return Source(types_pb2.ImageSource(dataset_item=picture.name), picture.name, None)
    if isinstance(picture, np.ndarray):
        return _array(picture)
    if isinstance(picture, Image.Image):
        return _encoded(_png(picture), "picture")
    if isinstance(picture, bytes):
        return _encoded(picture, "picture")
    return _encoded(Path(picture).read_bytes(), os.fspath(picture))


def _encoded(data: bytes, name: str) -> Source:
    try:
        image = upright(data)
    except OSError:
        # The server may know more formats than Pillow does here, and says best what it does not know.
        image = None
    return Source(types_pb2.ImageSource(encoded=data), name, image)


def upright(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    ImageOps.exif_transpose(image).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _array(pixels: npt.NDArray[Any]) -> Source:
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        return _encoded(_png(Image.fromarray(pixels)), "array")
    if np.issubdtype(pixels.dtype, np.floating) and pixels.ndim == 3 and pixels.shape[0] == 3:
        values = np.ascontiguousarray(pixels, dtype="<f4")
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("pixels as floats are to lie in 0…1: divide by 255?")
        tensor = types_pb2.Tensor(data_type=types_pb2.DATA_TYPE_F32, shape=values.shape, data=values.tobytes())
        image = Image.fromarray((values.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8))
        return Source(types_pb2.ImageSource(pixels=tensor), "array", image)
    raise ValueError(
        f"an array of {pixels.dtype} with the shape {pixels.shape} is no picture: give H×W×3 or H×W of uint8, "
        "or 3×H×W of floats in 0…1 at the model's input size"
    )
