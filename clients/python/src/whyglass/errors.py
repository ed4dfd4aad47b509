"""What can go wrong, as the server said it: a code, a reason, the fields that it is about, when to try again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import grpc
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from whyglass.result import Result

__all__ = [
    "BadRequest",
    "Busy",
    "FieldViolation",
    "NotFound",
    "NotPossible",
    "PermissionDenied",
    "RunCancelled",
    "RunFailed",
    "RunLost",
    "ServerFault",
    "Unauthenticated",
    "Unreachable",
    "WhyglassError",
]


@dataclass(frozen=True)
class FieldViolation:
    """A field of the request, as "specs[0].params.size", and what is wrong with it."""

    field: str
    description: str


class WhyglassError(Exception):
    """Everything that this package raises about a server, a request or a run."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        reason: str = "",
        fields: Iterable[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        #: gRPC's name of the code: "NOT_FOUND".
        self.code = code
        #: UPPER_SNAKE, of the server; empty where it gave none.
        self.reason = reason
        self.fields = tuple(fields)
        #: Seconds after which the same may be tried again.
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self)


class BadRequest(WhyglassError):
    """The request can never be right; `fields` say where."""


class NotFound(WhyglassError):
    """There is no such model, technique, run, artifact or dataset."""


class NotPossible(WhyglassError):
    """It cannot be done as things stand: a technique that needs what the model has not, for example."""


class Unauthenticated(WhyglassError):
    """The server wants a token, and this is none of its tokens."""


class PermissionDenied(WhyglassError):
    """The token's role may not do this."""


class Busy(WhyglassError):
    """A limit is reached; `retry_after` says when to come back."""


class Unreachable(WhyglassError):
    """Nobody answers, the certificate is not accepted, or the server is going away."""


class ServerFault(WhyglassError):
    """The server met a fault of its own, or something that no other class is for."""


class RunLost(WhyglassError):
    """The run ended with the server that ran it, or it was forgotten; what had come is in `Explanation.artifacts`."""


class RunFailed(WhyglassError):
    """The run could not go on. `result` has what it came to."""

    result: Result


class RunCancelled(RunFailed):
    """Nobody was left to watch the run."""


_CLASSES: Mapping[str, type[WhyglassError]] = {
    "INVALID_ARGUMENT": BadRequest,
    "OUT_OF_RANGE": BadRequest,
    "NOT_FOUND": NotFound,
    "FAILED_PRECONDITION": NotPossible,
    "UNIMPLEMENTED": NotPossible,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": Busy,
    "UNAVAILABLE": Unreachable,
}


def from_rpc(error: grpc.RpcError, address: str) -> WhyglassError:
    """The error of a call to the server at `address`."""
    code = error.code().name
    # gRPC's own type is a tuple of key and value that the published stubs do not know as one.
    metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    packed = next((value for key, value in metadata if key == "grpc-status-details-bin"), None)
    if isinstance(packed, bytes):
        return from_status(status_pb2.Status.FromString(packed), code)
    message = error.details() or code
    if code == "UNAVAILABLE":
        message = _unreachable(message, address)
    return _CLASSES.get(code, ServerFault)(message, code=code)


def from_status(status: status_pb2.Status, code: str) -> WhyglassError:
    """A google.rpc.Status with its details unpacked."""
    reason, fields, retry_after = "", [], None
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(request):
            fields = [FieldViolation(one.field, one.description) for one in request.field_violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    kind = RunLost if reason == "INSTANCE_CHANGED" else _CLASSES.get(code, ServerFault)
    return kind(status.message, code=code, reason=reason, fields=fields, retry_after=retry_after)


def code_name(number: int) -> str:
    """gRPC's name of a code's number."""
    return next((code.name for code in grpc.StatusCode if code.value[0] == number), "UNKNOWN")


def _unreachable(details: str, address: str) -> str:
    """gRPC's own words name sockets and source lines; a person wants to know what to do."""
    text = details.lower()
    if "certificate has expired" in text:
        return f"the certificate of {address} has expired: give the server a new one"
    if "certificate_verify_failed" in text or "self signed" in text or "hostname" in text:
        return f"the certificate of {address} is not accepted: give ca=FILE, the certificate that it is signed by"
    if "wrong_version_number" in text or "ssl_transport" in text or "handshake" in text:
        return f"{address} does not speak TLS as expected: use http:// for a server without, https:// for one with it"
    return f"cannot reach {address}: is the server running?"


def may_pass(error: WhyglassError) -> bool:
    """Whether the connection is at fault rather than the request: the same may succeed another time."""
    return error.reason == "" and error.code in {"UNAVAILABLE", "UNKNOWN", "INTERNAL", "ABORTED", "CANCELLED"}
