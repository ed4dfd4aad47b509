"""Writes the kept corpus: a few small sound models of a picture of 8×8. Needs the package onnx. Run: python corpus.py"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "corpus"
random = np.random.default_rng(7)


def weight(name, *shape):
    return numpy_helper.from_array((0.3 * random.standard_normal(shape)).astype(np.float32), name)


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def node(text, **attributes):
    outputs, call = text.split(" = ")
    op, inputs = call.rstrip(")").split("(")
    return helper.make_node(op, inputs.split(", "), outputs.split(", "), **attributes)


def save(name, nodes, tensors, opset=17):
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, [picture], [scores], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for folder in ("read", "differentiate"):
        (HERE / folder).mkdir(parents=True, exist_ok=True)
        onnx.save(model, HERE / folder / f"{name}.onnx")


save("convolution", [
    node("a = Conv(x, w, b)", pads=[1, 1, 1, 1], strides=[2, 2]), node("n = BatchNormalization(a, s, b, b, v)"), node("r = Relu(n)"),
    node("p = MaxPool(r)", kernel_shape=[2, 2], strides=[2, 2]), node("g = GlobalAveragePool(p)"), node("f = Flatten(g)"),
    node("y = Gemm(f, h)", transB=1),
], [weight("w", 4, 3, 3, 3), weight("b", 4), weight("s", 4), numpy_helper.from_array(np.ones(4, np.float32), "v"), weight("h", 3, 4)])
save("attention", [
    node("p = Conv(x, w)", strides=[4, 4]), node("f = Reshape(p, rows)"), node("t = Transpose(f)", perm=[0, 2, 1]),
    node("s = Concat(c, t)", axis=1), node("n = LayerNormalization(s, g, g)", axis=-1), node("m = MatMul(n, qkv)"),
    node("q, k, v = Split(m, parts)", axis=2), node("kt = Transpose(k)", perm=[0, 2, 1]), node("z = MatMul(q, kt)"),
    node("a = Softmax(z)", axis=-1), node("o = MatMul(a, v)"), node("r = Add(s, o)"), node("one = Gather(r, first)", axis=1),
    node("flat = Flatten(one)"), node("y = MatMul(flat, h)"),
], [weight("w", 4, 3, 4, 4), integers("rows", 1, 4, 4), weight("c", 1, 1, 4), weight("g", 4), weight("qkv", 4, 12),
    integers("parts", 4, 4, 4), integers("first", 0), weight("h", 4, 3)])
save("gate", [
    node("a = Conv(x, w)", group=1), node("m = ReduceMean(a)", axes=[2, 3]), node("s = HardSigmoid(m)"), node("e = Mul(a, s)"),
    node("l = LeakyRelu(e)"), node("p = AveragePool(l)", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    node("c = Clip(p, low, high)"), node("f = ReduceMean(c)", axes=[2, 3], keepdims=0), node("y = LogSoftmax(f)", axis=1),
], [weight("w", 3, 3, 1, 1), numpy_helper.from_array(np.float32(0), "low"), numpy_helper.from_array(np.float32(6), "high")])
save("layout", [
    node("a, b = Split(x)", axis=2), node("c = Concat(b, a)", axis=3), node("d = Transpose(c)", perm=[0, 2, 3, 1]),
    node("e = Mul(d, s)"), node("f = Slice(e, from, to, axes)"), node("g = Pad(f, pads)"), node("h = Exp(g)"),
    node("i = ReduceSum(h, axes, )", keepdims=0), node("y = Flatten(i)"),
], [weight("s", 3), integers("from", 1), integers("to", 4), integers("axes", 1), integers("pads", 0, 1, 0, 0, 0, 1, 0, 0)], 13)
save("old", [
    node("a = Conv(x, w)", kernel_shape=[3, 3], auto_pad="VALID"), node("b = PRelu(a, s)"), node("c = Dropout(b)"),
    node("d = Reshape(c, rows)"), node("e = Tanh(d)"), node("y = Softmax(e)"),
], [weight("w", 2, 3, 3, 3), weight("s", 2, 1, 1), integers("rows", 1, -1)], 7)
