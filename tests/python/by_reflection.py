"""Drives a running server as a stranger would, with grpcio and reflection alone. Each check is a function; the script
prints one line per check and ends with status 1 at the first that fails.

    python3 by_reflection.py ADDRESS MODEL PICTURE"""

import array
import math
import pathlib
import sys
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/python"))
from reflection import Maps, Server  # noqa: E402

# Enough windows that a run can be met in its middle.
SWEEP = {"size": 16, "stride": 8}


def events(stream):
    for response in stream:
        if response.HasField("event"):
            yield response.event


def finish(stream, maps=None):
    """Follows a stream to its `finished`, which must come once and last."""
    maps = maps or Maps()
    finished = None
    for event in events(stream):
        assert finished is None, f"{event.WhichOneof('event')} after finished"
        maps.take(event)
        if event.WhichOneof("event") == "finished":
            finished = event.finished
    assert finished is not None, "the stream ended without finished"
    return finished, maps


def state(finished):
    return type(finished).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[finished.state].name


def until_tiles(stream, maps, count=3):
    """Reads on until `count` events with tiles of the windows have come; returns the run and the last sequence."""
    seen, run, sequence = 0, None, 0
    for event in events(stream):
        maps.take(event)
        run, sequence = event.run, event.sequence or sequence
        seen += event.WhichOneof("event") == "tiles" and event.tiles.artifact == "windows"
        if seen >= count:
            return run, sequence
    raise AssertionError("the run ended before its tiles came")


def read_map(server, run, artifact="map"):
    """The raw artifact: the .npy file's header is skipped."""
    pieces = server.call("ExplainService", "ReadArtifact", {"name": f"{run}/artifacts/{artifact}"})
    data = b"".join(piece.data for piece in pieces)
    assert data[:6] == b"\x93NUMPY", data[:16]
    start = 10 + int.from_bytes(data[8:10], "little")
    values = array.array("f")
    values.frombytes(data[start:])
    return values


def same(left, right):
    return len(left) == len(right) and all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(left, right))


def check_techniques_are_listed(server, model, picture):
    found = {item.id for item in server.call("CatalogService", "ListTechniques").techniques}
    assert {"occlusion", "grad-cam", "deep-dream"} <= found, found
    models = server.call("ModelService", "ListModels").models
    assert model in {item.name.removeprefix("models/") for item in models}, models


def check_an_explanation_arrives_in_tiles(server, model, picture):
    kinds = []
    maps = Maps()
    for event in events(server.explain("occlusion", model, picture, SWEEP, seed="1")):
        kinds.append(event.WhichOneof("event"))
        maps.take(event)
    assert kinds.count("finished") == 1 and kinds[-1] == "finished", kinds[-3:]
    assert kinds.count("started") == 1 and kinds.count("tiles") >= 3, {kind: kinds.count(kind) for kind in kinds}
    rows = maps["map"]
    assert maps.computed("map") == len(rows) * len(rows[0])


def check_a_stop_keeps_the_best_so_far(server, model, picture):
    maps = Maps()
    stream = server.explain("occlusion", model, picture, SWEEP, seed="1", linger="30s")
    run, _ = until_tiles(stream, maps)
    asked = time.monotonic()
    server.control(run, "stop")
    answered = time.monotonic() - asked
    finished, maps = finish(stream, maps)
    assert state(finished) == "RUN_STATE_STOPPED" and not finished.complete, finished
    cells = sum(len(row) for row in maps["windows"])
    assert 0 < maps.computed("windows") < cells
    received = array.array("f", [value for row in maps["windows"] for value in row])
    assert same(received, read_map(server, run, "windows")), "the artifact is not what was streamed"
    print(f"  stop answered in {answered * 1000:.0f} ms, finished after {(time.monotonic() - asked) * 1000:.0f} ms")


def check_a_paused_run_stands_still_and_goes_on(server, model, picture):
    maps = Maps()
    stream = server.explain("occlusion", model, picture, SWEEP, seed="1", linger="30s")
    run, _ = until_tiles(stream, maps)
    server.control(run, "pause")
    time.sleep(0.5)
    evaluations = [server.call("ExplainService", "GetRun", {"run": run}).run.progress.model_evaluations]
    time.sleep(1.0)
    evaluations.append(server.call("ExplainService", "GetRun", {"run": run}).run.progress.model_evaluations)
    assert evaluations[0] == evaluations[1], f"went on while paused: {evaluations}"
    server.control(run, "resume")
    finished, _ = finish(stream, maps)
    assert state(finished) == "RUN_STATE_SUCCEEDED", finished


def check_a_broken_stream_is_resumed_to_the_same_map(server, model, picture):
    _, whole = finish(server.explain("occlusion", model, picture, SWEEP, seed="1"))
    maps = Maps()
    stream = server.explain("occlusion", model, picture, SWEEP, seed="1", linger="30s")
    run, sequence = until_tiles(stream, maps, 2)
    stream.cancel()
    time.sleep(0.2)
    finished, resumed = finish(server.watch(run, sequence), maps)
    assert state(finished) == "RUN_STATE_SUCCEEDED", finished
    for artifact in ("windows", "map"):
        assert resumed[artifact] == whole[artifact], f"{artifact} differs after a resume"


def check_each_bad_request_is_named(server, model, picture):
    cases = {
        "specs[0].technique": ({"technique": "oclusion"}, grpc.StatusCode.NOT_FOUND),
        "specs[0].model": ({"model": "efficientnet-lite9"}, grpc.StatusCode.NOT_FOUND),
        "specs[0].params.sise": ({"params": {"sise": 16}}, grpc.StatusCode.INVALID_ARGUMENT),
        "specs[0].params.size": ({"params": {"size": "big"}}, grpc.StatusCode.INVALID_ARGUMENT),
        "specs[0].image": ({"picture": b"no picture"}, grpc.StatusCode.INVALID_ARGUMENT),
        "specs[0].target": ({"target": {"class_label": "unicorn"}}, grpc.StatusCode.INVALID_ARGUMENT),
        "specs[0].seed": ({"seed": str(1 << 60)}, grpc.StatusCode.INVALID_ARGUMENT),
    }
    for field, (change, code) in cases.items():
        arguments = {"technique": "occlusion", "model": model, "picture": picture, "params": {}} | change
        try:
            list(server.explain(**arguments))
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
            assert error.code() == code, f"{field}: {error.code()} {error.details()}"
            assert field.encode() in details, f"{field} is not named: {error.details()} {details}"
        else:
            raise AssertionError(f"{field}: {change} was accepted")


def main(address, model, path):
    server = Server(address)
    server.wait_until_ready()
    picture = pathlib.Path(path).read_bytes()
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check(server, model, picture)
            print("ok", name.removeprefix("check_").replace("_", " "), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
