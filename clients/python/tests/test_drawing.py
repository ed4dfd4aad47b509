"""Overlays, by their arithmetic."""

from __future__ import annotations

import json
import urllib.request

import numpy as np
from conftest import Server
from PIL import Image
from whyglass import Artifact, _colours, _drawing
from whyglass.events import Placement


def artifact(values: list[list[float]], signed: bool = False) -> Artifact:
    return Artifact("map", "map", np.asarray(values, np.float32), signed=signed)


def test_the_colour_maps_are_the_servers(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/colormaps.json") as answer:
        tables = json.load(answer)
    for name in set(_colours.NAMES) - {"grey"}:
        theirs = np.frombuffer(bytes.fromhex(tables[name]), np.uint8).reshape(256, 3)
        assert np.abs(_colours.table(name).astype(int) - theirs).max() <= 3, name


def test_a_signed_map_is_drawn_about_zero_and_shows_the_picture_where_it_says_nothing() -> None:
    picture = Image.new("RGB", (256, 256), (10, 200, 30))
    drawn = _drawing.overlay(artifact([[-1, 0], [0, 1]], signed=True), picture, None, None, 1.0, 100)
    pixels = np.asarray(drawn)
    assert _drawing.extent(artifact([[-1, 0.5]], signed=True), 100) == (-1, 1)
    assert pixels[5, 5, 2] > pixels[5, 5, 0], "against the class is blue"
    assert pixels[250, 250, 0] > pixels[250, 250, 2], "for the class is red"
    assert tuple(pixels[5, 250]) == (10, 200, 30)


def test_cells_that_are_not_computed_yet_are_dim_and_do_not_bleed_into_others() -> None:
    nan = float("nan")
    picture = Image.new("RGB", (256, 256), (100, 100, 100))
    pixels = np.asarray(_drawing.overlay(artifact([[1, nan]]), picture, None, "grey", 1.0, 100))
    assert tuple(pixels[128, 200]) == (40, 40, 40)
    assert (pixels[128, :120] == 255).all()


def test_a_placement_in_a_larger_original_is_scaled_to_the_smaller_picture_at_hand() -> None:
    picture = Image.new("RGB", (512, 256))
    place = Placement(1024, 512, 256, 0, 512, 512)
    pixels = np.asarray(_drawing.overlay(artifact([[1.0]]), picture, place, "grey", 1.0, 100))
    assert pixels.shape == (256, 512, 3)
    assert pixels[128, 130].min() == 255 and pixels[128, 125].max() == 0
    assert pixels[128, 383].min() == 255 and pixels[128, 390].max() == 0
