"""Tokens, roles, encryption: what a server asks for, and what is said when it does not get it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import DIGITS, Server
from whyglass import Client, aio
from whyglass.errors import NotFound, PermissionDenied, Unauthenticated, Unreachable

VIEWER, ADMIN = "the-viewer-token-of-these-tests", "the-admin-token-of-these-tests"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server on https that asks for tokens, and the certificate that it made."""
    folder = tmp_path_factory.mktemp("tls")
    tokens = folder / "tokens"
    tokens.write_text(f"viewer {VIEWER}\nadmin {ADMIN}\n")
    tokens.chmod(0o600)
    server = Server("--tokens", str(tokens), "--tls-self-signed", str(folder))
    yield server, folder / "cert.pem"
    said = server.stop()
    assert VIEWER not in said and ADMIN not in said


def test_without_a_token_or_with_a_wrong_one_it_says_so(guarded: tuple[Server, Path]) -> None:
    server, ca = guarded
    with pytest.raises(Unauthenticated, match="wants a token"):
        Client(server.url, ca=ca).models()
    with pytest.raises(Unauthenticated, match="none of this server's") as caught:
        Client(server.url, ca=ca, token="another-token-than-those").models()
    assert caught.value.reason == "TOKEN_WRONG"


def test_a_viewer_looks_and_an_administrator_loads_and_forgets(
    guarded: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, ca = guarded
    monkeypatch.setenv("WHYGLASS_TOKEN", VIEWER)
    viewer = Client(server.url, ca=ca)
    item = viewer.items("digits")[0]
    assert viewer.explain("saliency", model=DIGITS, image=item).result().state == "SUCCEEDED"
    with pytest.raises(PermissionDenied, match="role admin"):
        viewer.admin.load(DIGITS)
    admin = Client(server.url, ca=ca, token=ADMIN).admin
    assert admin.load(DIGITS).state == "READY"
    assert admin.unload(DIGITS).state == "UNLOADED"
    with pytest.raises(NotFound, match="did you mean 'digits-honest'"):
        admin.load("digits-honesty")


def test_the_twin_shows_its_token_too(guarded: tuple[Server, Path]) -> None:
    server, ca = guarded

    async def load() -> str:
        async with aio.Client(server.url, ca=ca, token=ADMIN) as client:
            return (await client.admin.load(DIGITS)).state

    assert asyncio.run(load()) == "READY"


def test_a_drained_server_takes_no_more_runs() -> None:
    server = Server()
    with Client(server.url) as client:
        assert client.admin.drain() == 0
        with pytest.raises(Unreachable, match="takes no new runs") as caught:
            client.explain("saliency", model=DIGITS, image=client.items("digits")[0])
        assert caught.value.retry_after
    server.stop()


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(guarded: tuple[Server, Path]) -> None:
    with pytest.raises(Unreachable, match="certificate .* is not accepted: give ca=FILE"):
        Client(guarded[0].url, token=VIEWER).models()


def test_an_expired_certificate_is_said_to_be_expired() -> None:
    folder = Path(__file__).parent / "expired"
    server = Server("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with pytest.raises(Unreachable, match="has expired"):
        Client(server.url, ca=folder / "cert.pem").models()
    server.stop()


def test_a_certificate_that_expires_in_mid_run_is_said_and_what_came_is_kept(tmp_path: Path) -> None:
    expired = Path(__file__).parent / "expired"
    server = Server("--tls-self-signed", str(tmp_path))
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "cert.pem").read_text() + (expired / "cert.pem").read_text())
    client = Client(server.url, ca=both)
    run = client.explain("deep-dream", model=DIGITS, image=client.items("digits")[0], iterations=1000)
    while not run.artifacts:
        next(run)
    server.process.kill()
    server.process.wait()
    again = Server("--tls-cert", str(expired / "cert.pem"), "--tls-key", str(expired / "key.pem"), listen=server.address)
    with pytest.raises(Unreachable, match="has expired"):
        run.result()
    assert run.artifacts["dream"].values.size > 0
    again.stop()


def test_other_machines_need_encryption_and_a_token(tmp_path: Path) -> None:
    for flags, missing in ([], "--tls-cert"), (["--tls-self-signed", str(tmp_path)], "--tokens"):
        with pytest.raises(RuntimeError, match=missing):
            Server(*flags, listen="0.0.0.0:0")


def test_http_to_a_server_on_https_says_what_to_do(guarded: tuple[Server, Path]) -> None:
    with pytest.raises(Unreachable, match="http"):
        Client(f"http://{guarded[0].address}", token=VIEWER).models()


def test_variables_of_the_server_are_not_shown_by_its_help() -> None:
    import subprocess

    command = [os.environ["WHYGLASS_BINARY"], "serve", "--help"]
    shown = subprocess.run(command, env=os.environ | {"WHYGLASS_ADMIN_TOKEN": ADMIN}, capture_output=True, text=True)
    assert "--admin-token" in shown.stdout and ADMIN not in shown.stdout
