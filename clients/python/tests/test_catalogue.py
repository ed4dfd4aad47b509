"""What a server has, and what a model sees."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from conftest import DIGITS, LITE0
from PIL import Image
from whyglass import Client


def test_what_a_server_has_is_listed(client: Client) -> None:
    assert client.info().max_image_bytes == 32 << 20
    assert {"occlusion", "grad-cam", "lime", "tsne"} <= {technique.id for technique in client.techniques()}
    assert {DIGITS, LITE0} <= {model.name for model in client.models()}
    digits = next(dataset for dataset in client.datasets() if dataset.name == "datasets/digits")
    assert digits.items == 1797 and digits.classes[3] == "3"


def test_a_list_of_many_pages_comes_whole_and_in_order(client: Client) -> None:
    items = client.items("digits")
    assert len({item.name for item in items}) == 1797
    assert [item.name for item in items] == sorted(item.name for item in items)


def test_a_technique_tells_its_parameters_with_their_defaults(client: Client) -> None:
    occlusion = next(technique for technique in client.techniques(LITE0) if technique.id == "occlusion")
    assert {"size", "stride", "fill"} <= occlusion.parameters.keys()
    assert occlusion.artifacts[0] == "map"


def test_layers_have_shapes(client: Client) -> None:
    layers = client.layers(DIGITS)
    assert any(layer.spatial and len(layer.shape) == 3 for layer in layers)


def test_one_picture_given_in_each_way_is_classified_alike(client: Client, cat: Path) -> None:
    image = Image.open(cat)
    ways: list[Any] = [cat, str(cat), cat.read_bytes(), image, np.asarray(image)]
    seen = [client.classify(LITE0, way)[0] for way in ways]
    assert "cat" in seen[0].label
    assert all(score == seen[0] for score in seen)


def test_pixels_are_what_the_model_sees(client: Client) -> None:
    item = client.items("digits")[0]
    height, width = next(model for model in client.models() if model.name == DIGITS).input_size
    grey = np.asarray(client.thumbnail(item).convert("L").resize((width, height)), dtype=np.float32) / 255
    pixels = np.stack([grey] * 3)
    buffer = io.BytesIO()
    Image.fromarray((grey * 255 + 0.5).astype(np.uint8)).save(buffer, "PNG")
    from_pixels = client.classify(DIGITS, pixels)[0]
    from_file = client.classify(DIGITS, buffer.getvalue())[0]
    assert from_pixels.label == from_file.label == "0"
    assert abs(from_pixels.probability - from_file.probability) < 1e-5
