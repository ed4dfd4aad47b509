"""Makes the calls of a table with grpcio, and writes what came of each as JSON.

    python drive.py CALLS PLACES      (both JSON; PLACES: {"open": "host:port", "guarded": …, "tokens": {"viewer": …}})"""

import hashlib
import importlib
import json
import pathlib
import sys

import grpc
from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

for name in ("admin", "catalog", "dataset", "explain", "model"):
    importlib.import_module(f"whyglass.v1.{name}_pb2")


def main(calls_path: str, places_path: str) -> None:
    places = json.loads(pathlib.Path(places_path).read_text())
    channels = {name: grpc.insecure_channel(places[name]) for name in ("open", "guarded")}
    kept: dict[str, str] = {}
    results = {}
    for step in json.loads(pathlib.Path(calls_path).read_text()):
        token = places["tokens"].get(step.get("token"))
        metadata = [("authorization", f"Bearer {token}")] if token else []
        results[step["name"]] = made(channels[step.get("server", "open")], step, metadata, kept)
    print(json.dumps(results))


def made(channel: grpc.Channel, step: dict, metadata: list, kept: dict) -> dict:
    method = found(step["call"])
    request = json_format.ParseDict(filled(step["request"], kept), method.input_type._concrete_class())
    path = f"/{method.containing_service.full_name}/{method.name}"
    encode, decode = lambda message: message.SerializeToString(), method.output_type._concrete_class.FromString
    try:
        if not method.server_streaming:
            answer = plain(channel.unary_unary(path, encode, decode)(request, metadata=metadata))
            keep(step, answer, kept)
            return {"answer": "loose" if step.get("loose") else answer}
        stream = channel.unary_stream(path, encode, decode)(request, metadata=metadata)
        return streamed(stream, step, kept)
    except grpc.RpcError as error:
        return {"error": failed(error)}


def found(call: str):
    service, method = call.split("/")
    pool = symbol_database.Default().pool
    return pool.FindServiceByName(f"whyglass.v1.{service}").FindMethodByName(method)


def streamed(stream, step: dict, kept: dict) -> dict:
    told, kinds, data, seen = {}, set(), hashlib.sha256(), {}
    for message in stream:
        if message.DESCRIPTOR.name == "ReadArtifactResponse":
            data.update(message.data)
            continue
        if message.DESCRIPTOR.name == "ExplainResponse" and message.HasField("accepted"):
            keep(step, plain(message), kept)
            continue
        event = message.event
        kind = event.WhichOneof("event")
        kinds.add(kind)
        seen[kind] = seen.get(kind, 0) + 1
        if kind in ("started", "finished"):
            told[kind] = plain(getattr(event, kind))
        if any(seen.get(kind) == count for kind, count in step.get("until", {}).items()):
            if "seen" in step.get("keep", {}):
                kept["seen"] = str(event.sequence)
            stream.cancel()
            return {"until": sorted(step["until"])}
    # Whether a map comes in tiles or as a keyframe, and what else comes between, is a matter of the moment.
    return {"kinds": sorted(kinds & {"started", "finished"}), "sha256": data.hexdigest(), **told}


def failed(error: grpc.RpcError) -> dict:
    told = {"code": error.code().value[0], "message": error.details(), "reason": "", "fields": [], "retry": ""}
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in status_pb2.Status.FromString(packed).details:
        info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            told |= {"reason": info.reason, "domain": info.domain}
        elif detail.Unpack(request):
            told["fields"] = [[each.field, each.description] for each in request.field_violations]
        elif detail.Unpack(retry):
            told["retry"] = f"{retry.retry_delay.seconds}.{retry.retry_delay.nanos:09}"
    return told


def plain(message: Message) -> dict:
    return json_format.MessageToDict(message)


def filled(value, kept: dict):
    if isinstance(value, dict):
        return {key: filled(inner, kept) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, kept) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        name, slash, rest = value[1:].partition("/")
        return kept[name] + slash + rest
    return value


def keep(step: dict, answer, kept: dict) -> None:
    for name, path in step.get("keep", {}).items():
        if path == "sequence":
            continue
        value = answer
        for part in path.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
        kept[name] = value


if __name__ == "__main__":
    main(*sys.argv[1:])
