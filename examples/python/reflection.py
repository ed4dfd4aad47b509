"""A Whyglass client made of nothing but grpcio and the server's reflection: no generated code, no .proto files.

Responsible for finding the services and for putting maps together from keyframes and tiles. What to call and what to
do with it is the caller's."""

import array
import base64
import math
import time

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import ParseDict
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PACKAGE = "whyglass.v1"


class Server:
    """The server at `address` (host:port). Calls are `server.call("ModelService", "ListModels", {...})`."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)])
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def services(self):
        return list(self.database.get_services())

    def call(self, service, method, request=None, timeout=None):
        """One answer, or for a streaming method the call, which can be iterated and cancelled."""
        descriptor = self.pool.FindServiceByName(f"{PACKAGE}.{service}").FindMethodByName(method)
        message = message_factory.GetMessageClass(descriptor.input_type)()
        ParseDict(request or {}, message)
        invoke = self.channel.unary_stream if descriptor.server_streaming else self.channel.unary_unary
        stub = invoke(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=lambda value: value.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(descriptor.output_type).FromString,
        )
        return stub(message, timeout=timeout)

    def explain(self, technique, model, picture, params=None, **options):
        """The event stream of one run. `picture` is the bytes of a PNG, JPEG, …; `options` are fields of RunSpec
        (seed, target, max_duration) or of ExplainRequest (linger, group, request_id)."""
        return self.call("ExplainService", "Explain", explain_request(technique, model, picture, params, **options))

    def watch(self, run, after_sequence=0, instance_id=""):
        cursor = {"run": run, "after_sequence": after_sequence, "instance_id": instance_id}
        return self.call("ExplainService", "WatchRuns", {"runs": {"cursors": [cursor]}})

    def control(self, run, action):
        """`action`: "stop", "pause" or "resume"."""
        return self.call("ExplainService", "ControlRun", {"run": run, action: {}})

    def wait_until_ready(self, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.call("CatalogService", "GetServerInfo", timeout=1)
            except (grpc.RpcError, KeyError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def explain_request(technique, model, picture, params=None, **options):
    # In JSON, which ParseDict reads, bytes are base64.
    spec = {
        "technique": technique,
        "model": model,
        "image": {"encoded": base64.b64encode(picture).decode()},
        "params": params or {},
    }
    request = {"specs": [spec]}
    for name, value in options.items():
        (request if name in ("linger", "group", "request_id", "stream") else spec)[name] = value
    return request


class Maps:
    """The artifacts of a run, as far as its events have told: `maps["map"]` is a list of rows."""

    def __init__(self):
        self.rows = {}

    def __getitem__(self, artifact):
        return self.rows[artifact]

    def take(self, event):
        kind = event.WhichOneof("event")
        if kind == "keyframe" and event.keyframe.WhichOneof("content") == "tensor":
            self.rows[event.keyframe.artifact] = matrix(event.keyframe.tensor)
        elif kind == "tiles":
            rows = self.rows[event.tiles.artifact]
            for tile in event.tiles.tiles:
                for offset, values in enumerate(matrix(tile.tensor)):
                    rows[tile.y + offset][tile.x : tile.x + len(values)] = values

    def computed(self, artifact):
        """How many cells have a value."""
        return sum(not math.isnan(value) for row in self.rows.get(artifact, []) for value in row)


def matrix(tensor):
    values = array.array("f")
    values.frombytes(tensor.data)
    width = tensor.shape[-1]
    return [values[start : start + width] for start in range(0, len(values), width)]
