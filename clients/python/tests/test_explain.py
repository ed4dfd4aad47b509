"""Explanations: watched while they grow, steered, read, saved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import DIGITS, LITE0, SWEEP
from PIL import Image
from whyglass import Client
from whyglass.events import Finished, Frame, Progress, Started


def test_a_map_grows_from_nothing_to_all_of_it(client: Client, cat: Path) -> None:
    run = client.explain("occlusion", model=LITE0, image=cat, seed=1, params=SWEEP)
    events = list(run)
    assert isinstance(events[-1], Finished) and sum(isinstance(event, Started) for event in events) == 1
    shares = [event.artifact.computed for event in events if isinstance(event, Frame) and event.artifact.id == "windows"]
    assert len(shares) >= 3 and shares == sorted(shares) and shares[-1] == 1
    assert any(isinstance(event, Progress) and event.total > 0 for event in events)
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
    result = run.result()
    assert (result.state, result.complete, result.seed) == ("SUCCEEDED", True, 1)
    assert result.params["size"] == 32 and isinstance(result.params["size"], int)
    assert "cat" in result.target and result.manifest["technique"]["id"] == "occlusion"
    assert np.isfinite(result["map"]).all()


def test_an_overlay_has_the_size_of_its_picture_and_colours_where_the_model_looked(client: Client, cat: Path) -> None:
    result = client.explain("grad-cam", model=LITE0, image=cat).result()
    image = result.overlay(alpha=1.0)
    original = Image.open(cat)
    assert image.size == original.size
    place = result.placement
    assert place is not None and place.x > 0
    # Beside what the model saw the picture is dimmed, and nothing else.
    left = np.asarray(image, dtype=float)[:, : int(place.x)]
    assert np.allclose(left, np.asarray(original.convert("RGB"), dtype=float)[:, : int(place.x)] * 0.4, atol=1)
    row, column = np.unravel_index(np.argmax(result["map"]), result["map"].shape)
    cells = result["map"].shape
    x, y = place.x + (column + 0.5) * place.width / cells[1], place.y + (row + 0.5) * place.height / cells[0]
    pixel = image.getpixel((int(x), int(y)))
    assert isinstance(pixel, tuple) and pixel[0] > pixel[2], f"the highest cell is red in turbo: {pixel}"


def test_a_stop_keeps_the_best_so_far(client: Client, cat: Path) -> None:
    run = client.explain("occlusion", model=LITE0, image=cat, size=32, stride=8)
    for event in run:
        if isinstance(event, Frame) and 0 < event.artifact.computed < 1 and event.artifact.id == "windows":
            run.stop()
            break
    result = run.result()
    assert (result.state, result.complete, result.reason) == ("STOPPED", False, "STOPPED")
    assert 0 < result.artifact("windows").computed < 1
    assert np.array_equal(result["windows"], run.read("windows"), equal_nan=True)


def test_a_paused_run_waits_and_live_parameters_change(client: Client, cat: Path) -> None:
    run = client.explain("deep-dream", model=LITE0, image=cat, iterations=200, seed=1)
    next(event for event in run if isinstance(event, Frame))
    run.pause()
    run.set(step=0.01)
    run.resume()
    run.stop()
    result = run.result()
    assert result.state == "STOPPED"
    assert result["dream"].shape[0] == 3 and result.artifact("dream").exact
    assert result.overlay("dream").size == result["dream"].shape[:0:-1]


def test_the_time_that_was_given_ends_it(client: Client, cat: Path) -> None:
    result = client.explain("deep-dream", model=LITE0, image=cat, iterations=1000, max_duration=0.5).result()
    assert (result.state, result.reason) == ("STOPPED", "DEADLINE")


def test_a_dataset_is_explained_with_points_and_a_matrix(client: Client) -> None:
    run = client.explain("confusion-matrix", model=DIGITS, dataset="digits-blob")
    matrix = run.result().artifact("matrix")
    assert matrix.values.sum() == 500 and matrix.rows[:10] == tuple("0123456789")
    assert run.figure("matrix").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="matrix"):
        run.result().overlay()


def test_an_item_of_a_dataset_is_drawn_large_enough_to_see(client: Client) -> None:
    item = client.items("digits")[0]
    result = client.explain("saliency", model=DIGITS, image=item).result()
    assert min(result.overlay().size) >= 256


def test_what_is_saved_is_what_the_command_line_writes(client: Client, tmp_path: Path) -> None:
    picture = str(next((Path(os.environ["WHYGLASS_DATASETS"]) / "digits").rglob("*.png")))
    result = client.explain("occlusion", model=DIGITS, image=picture, seed=1, size=8, stride=4).result()
    folder = result.save(tmp_path / "python")
    flags = ["-p", "size=8", "-p", "stride=4", "--seed", "1", "--out", str(tmp_path / "cli")]
    command = [os.environ["WHYGLASS_BINARY"], "explain", "occlusion", DIGITS, picture, *flags]
    subprocess.run(command, check=True, capture_output=True)
    ours, theirs = (json.loads((each / "result.json").read_text()) for each in (folder, tmp_path / "cli"))
    for key in ("technique", "model", "image", "state", "complete", "target", "seed", "params", "placement"):
        assert ours[key] == theirs[key], key
    assert np.allclose(np.load(folder / "map.npy"), np.load(tmp_path / "cli/map.npy"), atol=1e-5)
    assert min(Image.open(folder / "map.png").size) >= 256
