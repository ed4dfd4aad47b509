"""The same explanation asked for again: the same run, unless the server or the request says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import LITE0, SWEEP, Server
from whyglass import Client, Explanation


@pytest.fixture
def sharing() -> Iterator[Server]:
    server = Server(cache=None)
    yield server
    server.stop()


def ask(server: Server, cat: Path, seed: int | None = 1) -> Explanation:
    return Client(server.url).explain("occlusion", model=LITE0, image=cat, seed=seed, params=SWEEP)


def test_a_server_shares_runs_and_results_unless_told_otherwise(sharing: Server, cat: Path) -> None:
    first, second = ask(sharing, cat), ask(sharing, cat)
    assert first.run == second.run, "under way"
    results = [first.result(), second.result(), ask(sharing, cat).result()]
    for result in results:
        assert result.state == "SUCCEEDED" and result.manifest == results[0].manifest
        assert np.array_equal(result["map"], results[0]["map"])
    assert ask(sharing, cat, seed=2).run != first.run
    assert ask(sharing, cat, seed=None).run != ask(sharing, cat, seed=None).run


def test_a_stopped_run_is_no_result(sharing: Server, cat: Path) -> None:
    first = ask(sharing, cat)
    first.stop()
    assert first.result().state == "STOPPED"
    assert ask(sharing, cat).result().state == "SUCCEEDED"


def test_a_server_that_is_to_share_nothing_computes_anew(server: Server, cat: Path) -> None:
    runs = [ask(server, cat) for _ in range(2)]
    results = [run.result() for run in runs]
    assert runs[0].run != runs[1].run
    assert np.array_equal(results[0]["map"], results[1]["map"])
