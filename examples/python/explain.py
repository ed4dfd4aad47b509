"""Explains a picture by occlusion and prints the map while it fills in.

    python3 explain.py ADDRESS MODEL PICTURE [TECHNIQUE]

Needs grpcio, grpcio-reflection and a running `whyglass serve`; nothing is generated."""

import math
import sys

from reflection import Maps, Server

SHADES = " .:-=+*#%@"


def main(address, model, path, technique="occlusion"):
    server = Server(address)
    techniques = server.call("CatalogService", "ListTechniques").techniques
    print("techniques:", ", ".join(item.id for item in techniques))
    with open(path, "rb") as file:
        picture = file.read()
    maps = Maps()
    for response in server.explain(technique, model, picture):
        if response.WhichOneof("response") != "event":
            continue
        event = response.event
        maps.take(event)
        kind = event.WhichOneof("event")
        if kind == "started":
            for score in event.started.scores:
                print(f"  {score.probability:6.1%}  {score.label}")
        elif kind == "progress" and event.progress.total:
            progress = event.progress
            print(f"\r{progress.done}/{progress.total}, {progress.model_evaluations} evaluations ", end="", flush=True)
        elif kind == "finished":
            print(f"\nfinished: {event.finished.status.message or 'OK'}")
    if "map" in maps.rows:
        show(maps["map"])


def show(rows, columns=64):
    """Prints a map as text, dark to bright."""
    finite = [value for row in rows for value in row if not math.isnan(value)]
    low, high = min(finite), max(finite)
    step = max(1, len(rows[0]) // columns)
    for row in rows[:: 2 * step]:
        line = (0 if math.isnan(value) else (value - low) / (high - low or 1) for value in row[::step])
        print("".join(SHADES[int(value * (len(SHADES) - 1))] for value in line))


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
