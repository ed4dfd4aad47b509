"""A server of the tests' own, on a free port; `cargo xtask test` says where its binary, models and pictures are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from whyglass import Client

#: Small and quick: digits of 8×8 pixels.
DIGITS = "digits-honest"
#: A real network.
LITE0 = "efficientnet-lite0"
#: Slow enough to be met in its middle, quick enough to be waited for.
SWEEP = {"size": 32, "stride": 16}


class Server:
    """It shares nothing unless `cache` says so: a test that explains the same twice, or stops what another has finished,
    wants two runs."""

    def __init__(
        self, *arguments: str, listen: str = "127.0.0.1:0", cache: str | None = "0", **variables: str
    ) -> None:
        command = [os.environ["WHYGLASS_BINARY"], "serve", "--listen", listen, "--grace", "1s", *arguments]
        command += [] if cache is None else ["--cache", cache]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | variables)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if "listening on" not in line:
            raise RuntimeError(f"the server did not start: {self.process.communicate()}")
        self.url = line.split()[-1]

    @property
    def address(self) -> str:
        return self.url.split("://")[1]

    def stop(self) -> str:
        """Ends it, and gives what it said."""
        self.process.terminate()
        output, errors = self.process.communicate(timeout=20)
        return output + errors


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture(scope="session")
def cat() -> Path:
    return Path(os.environ["WHYGLASS_PICTURES"]) / "chelsea.png"
