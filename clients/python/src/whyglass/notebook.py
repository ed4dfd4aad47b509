"""Shows an explanation in a notebook, live, and a result as it is. IPython is needed only here, where it is anyway."""

from __future__ import annotations

import base64
import html
import io
import time
from typing import TYPE_CHECKING, Any

from PIL import Image

from whyglass import _colours, _drawing
from whyglass.artifact import Artifact
from whyglass.errors import WhyglassError
from whyglass.events import Frame, Placement, Progress

if TYPE_CHECKING:
    from whyglass._told import Told
    from whyglass.explanation import Explanation
    from whyglass.result import Result

#: No faster than this, in seconds: a notebook's file keeps every picture that it is sent.
_INTERVAL = 0.15


def follow(explanation: Explanation) -> None:
    """Shows the run until its end, in one place of the notebook. What goes wrong is raised when the result is asked for."""
    from IPython.display import HTML, display

    handle = display(HTML(_running(explanation)), display_id=True)
    last = time.monotonic()
    for event in explanation:
        if isinstance(event, Frame | Progress) and time.monotonic() - last >= _INTERVAL:
            handle.update(HTML(_running(explanation)))
            last = time.monotonic()
    try:
        handle.update(HTML(html_of(explanation.result(), explanation)))
    except WhyglassError as error:
        handle.update(HTML(_running(explanation) + _line(f"✕ {error.message}")))


def html_of(result: Result, explanation: Explanation | None = None) -> str:
    """A result: title, picture, scale, and how it ended."""
    artifact = next(iter(result.artifacts.values()), None)
    evaluations = result.manifest.get("model_evaluations")
    ended = "complete" if result.complete else f"ended early ({result.reason or result.state})"
    counted = f"{evaluations} evaluations, " if evaluations is not None else ""
    score = next((score for score in result.scores if score.index == result.target_index), None)
    title = f"{result.target} {score.probability:.1%}" if score else result.subject
    figure = _figure(artifact, result.picture, result.placement)
    if not figure and explanation is not None and artifact is not None:
        try:
            figure = _image(explanation.figure(artifact.id))
        except WhyglassError:
            # Without the server it goes without: the numbers are all there.
            figure = ""
    return _card(f"{result.technique}: {title}", figure, f"{ended}, {counted}{result.elapsed:.1f} s")


def _running(told: Told) -> str:
    started, progress = told.started, told.progress
    artifact = next(iter(told.artifacts.values()), None)
    said = told.state.lower()
    if progress is not None:
        said = f"{progress.done} of {progress.total}" if progress.total else f"{progress.done}"
        said += f", {progress.evaluations} evaluations"
        if progress.remaining is not None:
            said += f", about {progress.remaining:.0f} s left"
    title = f"{told.technique}: {started.target}" if started and started.target else told.technique
    return _card(title, _figure(artifact, told.picture, started.placement if started else None), said)


def _card(title: str, figure: str, line: str) -> str:
    return f"<div><strong>{html.escape(title)}</strong>{figure}{_line(line)}</div>"


def _line(text: str) -> str:
    return f'<div style="opacity:.7">{html.escape(text)}</div>'


def _figure(artifact: Artifact | None, picture: Image.Image | None, placement: Placement | None) -> str:
    if artifact is None or artifact.values.size == 0:
        return ""
    if artifact.kind == "image":
        return _image(_png(artifact.image()))
    if artifact.kind != "map":
        return ""
    drawn = _drawing.overlay(artifact, picture, placement, None, 0.5, 99.5)
    drawn.thumbnail((640, 480))
    return _image(_png(drawn)) + _scale(artifact)


def _scale(artifact: Artifact) -> str:
    low, high = _drawing.extent(artifact)
    table: Any = _colours.table(_colours.standard(artifact.signed))
    stops = ", ".join("#%02x%02x%02x" % tuple(table[place]) for place in range(0, 256, 15))
    bar = f'<span style="display:inline-block;width:160px;height:8px;background:linear-gradient(90deg,{stops})"></span>'
    return f"<div>{low:.3g} {bar} {high:.3g}</div>"


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _image(png: bytes) -> str:
    return f'<div><img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}"></div>'
