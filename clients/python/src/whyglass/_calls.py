"""How a server is reached: its address, encryption, the token, and the one place where gRPC's errors become ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import grpc

from whyglass._methods import Answer, Ask, Method
from whyglass.errors import from_rpc

Some = TypeVar("Some", covariant=True)

#: Of an answer: the longest list and the largest event have room.
_MAX_ANSWER_BYTES = 64 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
    # A stream over a connection that has silently died is noticed within 25 s and taken up again.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that comes back is found within the time that resuming is tried.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


@dataclass(frozen=True)
class Place:
    """Where a server is, and what it is to be shown."""

    address: str
    target: str
    credentials: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, address: str, token: str | None, ca: str | os.PathLike[str] | None) -> Place:
        """`token` defaults to the variable WHYGLASS_TOKEN; `ca` is a PEM file.

        Raises ValueError for an address that is none."""
        url = urlsplit(address if "://" in address else f"http://{address}")
        if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/"):
            raise ValueError(f"'{address}' is not the address of a server: write http://host:port or https://host:port")
        if ca is not None and url.scheme == "http":
            raise ValueError(f"ca is for a server on https, not for {address}")
        target = url.netloc if url.port else f"{url.netloc}:{443 if url.scheme == 'https' else 80}"
        credentials = None
        if url.scheme == "https":
            credentials = grpc.ssl_channel_credentials(None if ca is None else Path(ca).read_bytes())
        token = os.environ.get("WHYGLASS_TOKEN", "") if token is None else token
        metadata = (("authorization", f"Bearer {token.strip()}"),) if token.strip() else ()
        return cls(address, target, credentials, metadata)


class Calls:
    """Calls that block."""

    def __init__(self, place: Place) -> None:
        self.place = place
        if place.credentials is None:
            self._channel = grpc.insecure_channel(place.target, OPTIONS)
        else:
            self._channel = grpc.secure_channel(place.target, place.credentials, OPTIONS)
        #: It has answered once: a lost connection is worth waiting for.
        self.reached = False

    def unary(self, method: Method[Ask, Answer], request: Ask, timeout: float | None) -> Answer:
        """Raises WhyglassError."""
        call = self._channel.unary_unary(method.full_path, method.encode, method.decode)
        try:
            answer = call(request, timeout=timeout, metadata=self.place.metadata)
        except grpc.RpcError as error:
            raise from_rpc(error, self.place.address) from None
        self.reached = True
        return answer

    def stream(self, method: Method[Ask, Answer], request: Ask) -> Stream[Answer]:
        call = self._channel.unary_stream(method.full_path, method.encode, method.decode)
        return Stream(call(request, metadata=self.place.metadata), self)

    def close(self) -> None:
        self._channel.close()


class Answers(Protocol[Some]):
    """The answers of a call, one by one."""

    def __next__(self) -> Some: ...

    def cancel(self) -> object: ...


class Stream(Iterator[Answer]):
    """The answers of one call. Iterating raises WhyglassError."""

    def __init__(self, call: Answers[Answer], calls: Calls) -> None:
        self._call = call
        self._calls = calls

    def __next__(self) -> Answer:
        try:
            answer = next(self._call)
        except grpc.RpcError as error:
            raise from_rpc(error, self._calls.place.address) from None
        self._calls.reached = True
        return answer

    def cancel(self) -> None:
        self._call.cancel()
