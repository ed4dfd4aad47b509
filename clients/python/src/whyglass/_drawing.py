"""Draws a map over its picture, from the numbers; nothing is asked of the server."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from whyglass import _colours
from whyglass.artifact import Artifact, Floats
from whyglass.events import Placement

#: Smaller pictures are drawn larger, so that cells of a map can be told apart.
_SHORTEST = 256
#: What the model did not see, and what is not computed yet.
_UNSEEN = 0.4


def extent(artifact: Artifact, clip: float = 99.5) -> tuple[float, float]:
    """The values at the ends of the colours: about zero for a signed map, from zero where nothing lies below it."""
    finite = artifact.values[np.isfinite(artifact.values)]
    if finite.size == 0:
        return (-1.0, 1.0) if artifact.signed else (0.0, 1.0)
    low, high = (float(value) for value in np.percentile(finite, [100 - clip, clip]))
    if artifact.signed:
        end = max(abs(low), abs(high)) or 1.0
        return -end, end
    low = min(low, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def overlay(
    artifact: Artifact,
    picture: Image.Image | None,
    placement: Placement | None,
    colormap: str | None,
    alpha: float,
    clip: float,
) -> Image.Image:
    """The picture with the map where the model looked; on grey where there is no picture."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is to lie in 0…1, not to be {alpha}")
    rows, columns = artifact.values.shape
    if picture is None:
        size = (placement.original_width, placement.original_height) if placement else (columns, rows)
        picture = Image.new("RGB", size, (128, 128, 128))
        alpha = 1.0
    width, height = picture.size
    place = placement or Placement(width, height, 0, 0, width, height)
    # A picture may be a smaller one than the one that the model got.
    scale = max(1.0, _SHORTEST / min(width, height)) * width / place.original_width
    canvas = picture.resize(
        (round(place.original_width * scale), round(place.original_height * scale)), Image.Resampling.BICUBIC
    )
    base = np.asarray(canvas, dtype=np.float32) * _UNSEEN
    left, top = round(place.x * scale), round(place.y * scale)
    right, bottom = round((place.x + place.width) * scale), round((place.y + place.height) * scale)
    part = np.asarray(canvas, dtype=np.float32)[max(top, 0) : bottom, max(left, 0) : right]
    position, known = _positions(artifact, clip, (right - left, bottom - top))
    window = np.s_[max(-top, 0) : max(-top, 0) + part.shape[0], max(-left, 0) : max(-left, 0) + part.shape[1]]
    position, known = position[window], known[window]
    colours = _colours.table(colormap or _colours.standard(artifact.signed))
    tint = colours[np.round(position * 255).astype(np.uint8)].astype(np.float32)
    # Near zero a signed map says nothing: there the picture is seen.
    weight = np.clip(np.abs(2 * position - 1) / 0.35, 0, 1) if artifact.signed else np.ones_like(position)
    share = (alpha * weight)[..., None]
    mixed = np.where(known[..., None], part * (1 - share) + tint * share, part * _UNSEEN)
    base[max(top, 0) : bottom, max(left, 0) : right] = mixed
    return Image.fromarray(np.clip(base + 0.5, 0, 255).astype(np.uint8))


def _positions(
    artifact: Artifact, clip: float, size: tuple[int, int]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Where each pixel's value lies between the ends, 0…1, and whether there is one."""
    low, high = extent(artifact, clip)
    finite = np.isfinite(artifact.values)
    scaled = np.where(finite, np.clip((artifact.values - low) / (high - low), 0, 1), 0).astype(np.float32)

    def resized(values: Floats, how: Image.Resampling) -> Floats:
        return np.asarray(Image.fromarray(values).resize(size, how), dtype=np.float32)

    # Unknown cells have no say in their neighbours' colours.
    weight = resized(finite.astype(np.float32), Image.Resampling.BILINEAR)
    smooth = resized(scaled, Image.Resampling.BILINEAR) / np.maximum(weight, 1e-6)
    known = resized(finite.astype(np.float32), Image.Resampling.NEAREST) > 0.5
    return np.clip(smooth, 0, 1).astype(np.float32), known
