"""What goes wrong, as one clear message of the right type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DIGITS, LITE0, Server
from whyglass import Client, WhyglassError
from whyglass.errors import BadRequest, NotFound, NotPossible, RunLost, Unreachable


@pytest.mark.parametrize(
    ("change", "kind", "reason", "field"),
    [
        ({"technique": "oclusion"}, NotFound, "UNKNOWN_TECHNIQUE", "specs[0].technique"),
        ({"model": "efficientnet-lite9"}, NotFound, "UNKNOWN_MODEL", "specs[0].model"),
        ({"size": "big"}, BadRequest, "INVALID_PARAMETER", "specs[0].params.size"),
        ({"sise": 16}, BadRequest, "UNKNOWN_PARAMETER", "specs[0].params.sise"),
        ({"target": "unicorn"}, BadRequest, "UNKNOWN_CLASS", "specs[0].target"),
        ({"image": b"no picture"}, BadRequest, "", "specs[0].image"),
    ],
)
def test_a_bad_request_names_its_field(
    client: Client, cat: Path, change: dict[str, Any], kind: type[WhyglassError], reason: str, field: str
) -> None:
    arguments: dict[str, Any] = {"technique": "occlusion", "model": LITE0, "image": cat} | change
    with pytest.raises(kind) as caught:
        client.explain(arguments.pop("technique"), **arguments)
    assert caught.value.fields[0].field == field, caught.value
    assert caught.value.reason == reason or not reason, caught.value.reason
    assert caught.value.fields[0].description in caught.value.message


def test_a_picture_that_is_too_large_is_refused_with_the_limit(cat: Path) -> None:
    server = Server("--max-image-bytes", "10000", "--max-image-pixels", "5000")
    with Client(server.url) as client:
        with pytest.raises(WhyglassError, match="10000|9.8 KiB") as caught:
            client.classify(DIGITS, cat)
        assert caught.value.code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "OUT_OF_RANGE"), caught.value.code
        with pytest.raises(WhyglassError, match="5000"):
            client.classify(DIGITS, np.zeros((80, 80, 3), np.uint8))
        assert client.classify(DIGITS, np.zeros((8, 8, 3), np.uint8))
    server.stop()


def test_a_technique_that_the_model_cannot_do_says_what_it_lacks(client: Client) -> None:
    with pytest.raises(NotPossible, match="gradient") as caught:
        client.explain("saliency", model="rounded", image=np.zeros((8, 8, 3), np.uint8))
    assert caught.value.code == "FAILED_PRECONDITION" and caught.value.fields[0].field == "specs[0].technique"


def test_nobody_there_is_said_at_once_and_in_words() -> None:
    with pytest.raises(Unreachable, match="cannot reach http://127.0.0.1:1: is the server running"):
        Client("http://127.0.0.1:1").info()


def test_a_server_that_goes_in_mid_run_is_said_to_be_gone_and_what_came_is_kept(cat: Path) -> None:
    server = Server()
    run = Client(server.url).explain("deep-dream", model=LITE0, image=cat, iterations=1000)
    while not run.artifacts:
        next(run)
    server.process.kill()
    server.process.wait()
    with pytest.raises(Unreachable, match=f"cannot reach {server.url}: is the server running"):
        run.result()
    assert run.artifacts["dream"].values.size > 0


def test_a_run_that_ended_with_its_server_is_lost_and_what_came_is_kept(cat: Path) -> None:
    server = Server()
    client = Client(server.url)
    run = client.explain("deep-dream", model=LITE0, image=cat, iterations=1000)
    while not run.artifacts:
        next(run)
    server.process.kill()
    server.process.wait()
    again = Server(listen=server.address)
    with pytest.raises(RunLost, match="ended with the server"):
        run.result()
    assert run.artifacts["dream"].values.size > 0
    again.stop()


def test_what_is_no_picture_is_refused_before_anybody_is_asked(client: Client) -> None:
    with pytest.raises(ValueError, match="divide by 255"):
        client.classify(DIGITS, np.full((3, 8, 8), 200.0))
    with pytest.raises(ValueError, match="H×W×3"):
        client.classify(DIGITS, np.zeros((2, 2)))
    with pytest.raises(FileNotFoundError):
        client.classify(DIGITS, "nowhere.png")
    with pytest.raises(ValueError, match="dataset="):
        client.explain("occlusion", model=DIGITS)


@pytest.mark.parametrize("address", ["ftp://host:1", "http://", "http://host:1/path"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="write http://host:port"):
        Client(address)
