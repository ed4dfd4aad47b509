"""Makes `rounded`: a class for each colour channel, by the mean of its rounded values. No gradient passes a rounding, so
that techniques which need the input's gradient are impossible on it.

    python tests/models/rounded.py"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "rounded"

nodes = [
    helper.make_node("Mul", ["image", "scale"], ["scaled"]),
    helper.make_node("Round", ["scaled"], ["rounded"]),
    helper.make_node("GlobalAveragePool", ["rounded"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["logits"]),
]
image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
scale = numpy_helper.from_array(np.array(10, np.float32), "scale")
graph = helper.make_graph(nodes, "rounded", [image], [logits], [scale])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, FOLDER / "model.onnx")
