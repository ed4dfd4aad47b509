"""Calls that are awaited; the twin of `whyglass._calls.Calls`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import grpc.aio

from whyglass._calls import OPTIONS, Place
from whyglass._methods import Answer, Ask, Method
from whyglass.errors import from_rpc


class Calls:
    def __init__(self, place: Place) -> None:
        self.place = place
        if place.credentials is None:
            self._channel = grpc.aio.insecure_channel(place.target, OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(place.target, place.credentials, OPTIONS)
        #: It has answered once: a lost connection is worth waiting for.
        self.reached = False

    async def unary(self, method: Method[Ask, Answer], request: Ask, timeout: float | None) -> Answer:
        """Raises WhyglassError."""
        call = self._channel.unary_unary(method.full_path, method.encode, method.decode)
        try:
            answer: Answer = await call(request, timeout=timeout, metadata=self.place.metadata)
        except grpc.RpcError as error:
            raise from_rpc(error, self.place.address) from None
        self.reached = True
        return answer

    def stream(self, method: Method[Ask, Answer], request: Ask) -> Stream[Answer]:
        call = self._channel.unary_stream(method.full_path, method.encode, method.decode)
        return Stream(call(request, metadata=self.place.metadata), self)

    async def close(self) -> None:
        await self._channel.close()


class Stream(AsyncIterator[Answer]):
    """The answers of one call. Iterating raises WhyglassError."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[Ask, Answer], calls: Calls) -> None:
        self._call = call
        self._answers = call.__aiter__()
        self._calls = calls

    async def __anext__(self) -> Answer:
        try:
            answer = await self._answers.__anext__()
        except grpc.RpcError as error:
            raise from_rpc(error, self._calls.place.address) from None
        self._calls.reached = True
        return answer

    def cancel(self) -> None:
        self._call.cancel()
