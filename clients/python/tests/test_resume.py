"""Connections that break: nothing is lost, nothing is created twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from conftest import LITE0, SWEEP, Server
from proxy import Proxy
from whyglass import Client, aio
from whyglass.events import Frame


def test_a_connection_that_breaks_again_and_again_costs_no_cell(server: Server, client: Client, cat: Path) -> None:
    whole = client.explain("occlusion", model=LITE0, image=cat, seed=1, params=SWEEP).result()
    proxy = Proxy(server.address)
    run = Client(proxy.address).explain("occlusion", model=LITE0, image=cat, seed=1, params=SWEEP)
    frames = 0
    for event in run:
        frames += isinstance(event, Frame)
        if isinstance(event, Frame) and frames % 4 == 2:
            proxy.cut()
    assert proxy.connections >= 3, f"it was connected {proxy.connections} times"
    result = run.result()
    assert result.state == "SUCCEEDED"
    for artifact in ("windows", "map"):
        assert np.array_equal(result[artifact], whole[artifact])


def test_the_twin_that_does_not_block_resumes_too(server: Server, cat: Path) -> None:
    proxy = Proxy(server.address)

    async def explain() -> str:
        async with aio.Client(proxy.address) as client:
            assert (await client.info()).version
            run = await client.explain("occlusion", model=LITE0, image=cat, seed=1, params=SWEEP)
            frames = 0
            async for event in run:
                frames += isinstance(event, Frame)
                if isinstance(event, Frame) and frames == 3:
                    proxy.cut()
            return (await run.result()).state

    assert asyncio.run(explain()) == "SUCCEEDED"
    assert proxy.connections == 2


def test_two_explanations_at_once_on_one_loop(server: Server, cat: Path) -> None:
    async def explain() -> list[tuple[str, str]]:
        async with aio.Client(server.url) as client:
            runs = [await client.explain("grad-cam", model=LITE0, image=cat, target=cls) for cls in (281, 285)]
            results = await asyncio.gather(*(run.result() for run in runs))
            assert not np.array_equal(results[0]["map"], results[1]["map"])
            return [(result.state, result.target) for result in results]

    assert asyncio.run(explain()) == [("SUCCEEDED", "tabby"), ("SUCCEEDED", "Egyptian cat")]
