"""Packs ONNX's own conformance tests into a zip that `cargo run --example conformance` runs.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python pack.py cases.zip               # all: node, pytorch-converted, pytorch-operator, simple
    venv/bin/python pack.py --small small.zip       # the smallest case of each operator, which the test suite runs

Each case is a folder: model.onnx, tolerance.txt (relative, absolute), and <set>/input_<i>.pb, <set>/output_<i>.pb.
Some things are changed, none of which is what a case tests:

- Files of operator sets before 7 are brought to 7 by onnx's own version converter.
- Cases of operator set 24 say 23, where onnx's checker is content with that: most differ in the types that they allow.
- Values that no tensor of Whyglass can hold (8-bit and 4-bit floats, 4-bit integers) are cast from and to float32 at the
  ends of the graph, which is exact; inside they are what they were.
- Tensors are written with raw data.

A case whose values are no tensors of numbers is packed with a file `no-tensors.txt` that says what they are.
"""

import argparse
import os
import warnings
import zipfile
from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests
from onnx.reference import ReferenceEvaluator

warnings.filterwarnings("ignore")

KINDS = ("pytorch-converted", "pytorch-operator", "simple")
FIRST_OPSET, LAST_OPSET = 7, 23
WHEEL_OPSET = 24
NARROW = {
    getattr(TensorProto, name)
    for name in ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1")
}


class NoTensors(Exception):
    """The case is about something else than tensors of numbers."""


def raw(value, name):
    """`value` (an array, or a TensorProto) as a TensorProto with raw data."""
    if isinstance(value, TensorProto):
        if value.data_type in NARROW:
            return widened(value, name)
        if value.data_type == TensorProto.BFLOAT16 and not value.HasField("raw_data"):
            made = TensorProto(name=name, data_type=value.data_type, dims=value.dims)
            made.raw_data = np.array(value.int32_data, dtype=np.uint16).tobytes()
            return made
        if value.HasField("raw_data"):
            made = TensorProto()
            made.CopyFrom(value)
            made.name = name
            return made
        value = numpy_helper.to_array(value)
    if value is None:
        raise NoTensors("an optional")
    if isinstance(value, (list, tuple)):
        raise NoTensors("a sequence")
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        raise NoTensors("strings")
    if array.dtype.names or array.dtype.kind == "V":
        return widened(numpy_helper.from_array(array), name)
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def widened(value, name):
    """A narrow tensor as float32."""
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    constant = TensorProto()
    constant.CopyFrom(value)
    constant.name = "x"
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "widen", [], [output], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", LAST_OPSET)])
    return numpy_helper.from_array(ReferenceEvaluator(model).run(None, {})[0], name)


def widen_ends(model):
    """Puts casts at the inputs and outputs of `model` that are narrow."""
    graph = model.graph
    for values, inward in ((graph.input, True), (graph.output, False)):
        for value in values:
            kind = value.type.tensor_type.elem_type
            if value.type.WhichOneof("value") != "tensor_type":
                raise NoTensors("a sequence or an optional")
            if kind not in NARROW:
                continue
            inner, outer = value.name, value.name + ":f32"
            ends = ([outer], [inner]) if inward else ([inner], [outer])
            cast = helper.make_node("Cast", *ends, to=kind if inward else TensorProto.FLOAT)
            graph.node.insert(0 if inward else len(graph.node), cast)
            value.name, value.type.tensor_type.elem_type = outer, TensorProto.FLOAT


def opset(model):
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)


def settled(model):
    """`model` for an operator set that is read."""
    own = [o for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if own and opset(model) == WHEEL_OPSET:
        lowered = onnx.ModelProto.FromString(model.SerializeToString())
        next(o for o in lowered.opset_import if o.domain == own[0].domain).version = LAST_OPSET
        try:
            onnx.checker.check_model(lowered, full_check=True)
            return lowered
        except Exception:  # something of 24: the case stays what it is
            return model
    if not own or opset(model) >= FIRST_OPSET:
        return model
    converted = onnx.version_converter.convert_version(model, FIRST_OPSET)
    align_slopes(converted.graph)
    return converted


def align_slopes(graph):
    """A slope per channel of PRelu was aligned with the channels before operator set 7; the converter leaves that out."""
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in graph.input}
    slopes = {node.input[1]: ranks[node.input[0]] for node in graph.node if node.op_type == "PRelu"}
    for tensor in graph.initializer:
        if tensor.name in slopes and len(tensor.dims) == 1 and tensor.dims[0] > 1:
            tensor.dims.extend([1] * (slopes[tensor.name] - 2))
            declared = next(value for value in graph.input if value.name == tensor.name)
            declared.CopyFrom(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))


def node_cases():
    for case in collect_testcases(None):
        yield f"node/{case.name}", case.model, case.data_sets, (case.rtol, case.atol)


def folder_cases():
    for kind in KINDS:
        for case in load_model_tests(kind=kind):
            model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
            sets = []
            for index in range(sum(name.startswith("test_data_set") for name in os.listdir(case.model_dir))):
                folder = os.path.join(case.model_dir, f"test_data_set_{index}")
                sets.append([load(folder, "input", model.graph.input), load(folder, "output", model.graph.output)])
            yield f"{kind}/{case.name}", model, sets, (case.rtol, case.atol)


def load(folder, stem, values):
    tensors = []
    for index in range(sum(name.startswith(stem + "_") for name in os.listdir(folder))):
        with open(os.path.join(folder, f"{stem}_{index}.pb"), "rb") as file:
            data = file.read()
        if values[index].type.WhichOneof("value") != "tensor_type":
            tensors.append([])
            continue
        tensors.append(TensorProto.FromString(data))
    return tensors


def files(name, model, sets, tolerance):
    """The files of one case, by name."""
    made = {}
    try:
        widen_ends(model)
        for index, (inputs, outputs) in enumerate(sets):
            for stem, values in (("input", inputs), ("output", outputs)):
                for number, value in enumerate(values):
                    made[f"{index}/{stem}_{number}.pb"] = raw(value, "").SerializeToString()
        made["tolerance.txt"] = f"{tolerance[0]} {tolerance[1]}".encode()
    except NoTensors as reason:
        made = {"no-tensors.txt": str(reason).encode()}
    made["model.onnx"] = settled(model).SerializeToString()
    return {f"{name}/{file}": data for file, data in made.items()}


def smallest(cases):
    """Of each operator the smallest case that is a single node, at most 4 KiB."""
    best = {}
    for made in cases:
        name = next(iter(made)).rsplit("/", 1)[0]
        model = onnx.ModelProto.FromString(next(data for file, data in made.items() if file.endswith("model.onnx")))
        size = sum(len(data) for data in made.values())
        if len(model.graph.node) != 1 or size > 4096 or any("no-tensors" in file for file in made):
            continue
        op = model.graph.node[0].op_type
        if op not in best or (size, name) < best[op][0]:
            best[op] = ((size, name), made)
    return [made for _, (_, made) in sorted(best.items())]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    assert onnx.defs.onnx_opset_version() == WHEEL_OPSET, "see requirements.txt"
    cases = [files(*case) for source in (node_cases, folder_cases) for case in source()]
    kinds = Counter(next(iter(made)).split("/")[0] for made in cases)
    if arguments.small:
        cases = smallest(cases)
    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_DEFLATED) as archive:
        for made in cases:
            for file, data in sorted(made.items()):
                # A fixed date: the same cases make the same archive.
                archive.writestr(zipfile.ZipInfo(file, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    print(f"{len(cases)} cases of {sum(kinds.values())}: {dict(kinds)}; {os.path.getsize(arguments.out)} bytes")


if __name__ == "__main__":
    main()
