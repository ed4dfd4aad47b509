"""Makes random small graphs of several operators, with shared values and broadcasts, and PyTorch's gradients of them.

    python random_graphs.py graphs.zip --count 10000 --seed 0
    cargo run --release --package whyglass-tests --example gradients -- graphs.zip

Each graph is written twice, side by side: as ONNX nodes (in the form of a random operator set) and as PyTorch calls, which
are differentiated by autograd in float64. A case is a folder: model.onnx, input_0.pb (x), input_1.pb (the cotangent),
output_0.pb (y), output_1.pb (the gradient by x).

Made with torch 2.13, numpy 2.4, onnx 1.18 or later.
"""

import argparse
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

OPSETS = (13, 16, 17, 18, 20, 23)
F64 = torch.float64


class Dead(Exception):
    """This choice does not fit; another is drawn."""


class Graph:
    """A graph under construction. Values are pairs of a name and PyTorch's tensor."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.opset = int(self.pick(OPSETS))
        self.nodes, self.weights, self.count = [], [], 0
        rank = int(self.pick([1, 2, 2, 3, 3, 4, 4, 4, 4]))
        low, high = ((1, 3), (2, 6)), (3, 7)
        shape = [int(self.random.integers(*(low[0] if axis == 0 else low[1]))) for axis in range(rank)]
        if rank == 4:
            shape[2:] = [int(self.random.integers(*high)) for _ in range(2)]
        self.x = self.numbers(shape).requires_grad_()
        self.values = [("x", self.x)]

    def pick(self, choices):
        return choices[int(self.random.integers(len(choices)))]

    def flag(self):
        return bool(self.random.integers(2))

    def int(self, low, high):
        return int(self.random.integers(low, high + 1))

    def numbers(self, shape, scale=1.0):
        # Rounded to float32, so that both sides start from the same.
        data = self.random.uniform(-1.5, 1.5, size=shape).astype(np.float32) * np.float32(scale)
        return torch.tensor(data, dtype=F64)

    def weight(self, shape, scale=1.0):
        return self.constant(self.numbers(shape, scale))

    def constant(self, tensor):
        name = f"w{len(self.weights)}"
        data = tensor.numpy()
        data = data.astype(np.float32) if data.dtype == np.float64 else data
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(data).reshape(data.shape), name))
        return name, tensor

    def ints(self, values):
        return self.constant(torch.tensor(values, dtype=torch.int64))[0]

    def value(self, keep=lambda tensor: True):
        fitting = [value for value in self.values if keep(value[1])]
        if not fitting:
            raise Dead
        # Later ones more often, so that graphs grow deep as well as wide.
        weights = np.arange(1, len(fitting) + 1, dtype=float)
        return fitting[int(self.random.choice(len(fitting), p=weights / weights.sum()))]

    def emit(self, op, inputs, outputs, **attributes):
        """Adds a node whose outputs are the tensors `outputs`."""
        names = []
        for _ in outputs:
            names.append(f"v{self.count}")
            self.count += 1
        self.nodes.append(helper.make_node(op, [name if isinstance(name, str) else name[0] for name in inputs], names, **attributes))
        made = list(zip(names, outputs))
        for name, tensor in made:
            if tensor.numel() == 0 or tensor.numel() > 4000 or not torch.isfinite(tensor).all():
                raise Dead
        return made

    def add(self, op, inputs, output, **attributes):
        return self.emit(op, inputs, [output], **attributes)[0]

    def positive(self, value):
        """|x| + 0.3, for what needs it."""
        name, tensor = value
        magnitude = self.add("Abs", [name], tensor.abs())
        shift = self.constant(torch.tensor(np.float32(0.3), dtype=F64))
        return self.add("Add", [magnitude, shift], magnitude[1] + shift[1])


def unary(g):
    name, x = value = g.value()
    a = float(np.float32(g.random.uniform(0.1, 0.9)))
    choices = {
        "Neg": lambda: (-x, {}),
        "Abs": lambda: (x.abs(), {}),
        "Tanh": lambda: (x.tanh(), {}),
        "Sigmoid": lambda: (x.sigmoid(), {}),
        "Erf": lambda: (torch.erf(x), {}),
        "Sin": lambda: (x.sin(), {}),
        "Cos": lambda: (x.cos(), {}),
        "Atan": lambda: (x.atan(), {}),
        "Relu": lambda: (F.relu(x), {}),
        "LeakyRelu": lambda: (F.leaky_relu(x, a), {"alpha": a}),
        "Elu": lambda: (F.elu(x, a), {"alpha": a}),
        "Celu": lambda: (F.celu(x, a), {"alpha": a}),
        "Selu": lambda: (F.selu(x), {}),
        "Softplus": lambda: (F.softplus(x, threshold=1e9), {}),
        "Softsign": lambda: (F.softsign(x), {}),
        "HardSigmoid": lambda: ((a * x + 0.5).clamp(0, 1), {"alpha": a, "beta": 0.5}),
        "ThresholdedRelu": lambda: (F.threshold(x, a, 0.0), {"alpha": a}),
        "Identity": lambda: (x * 1.0, {}),
    }
    if g.opset >= 14:
        choices["HardSwish"] = lambda: (F.hardswish(x), {})
    if g.opset >= 18:
        choices["Mish"] = lambda: (F.mish(x), {})
    if g.opset >= 20:
        choices["Gelu"] = lambda: (F.gelu(x), {})
    op = g.pick(sorted(choices))
    made, attributes = choices[op]()
    return [g.add(op, [value], made, **attributes)]


def of_positive(g):
    value = g.positive(g.value())
    op = g.pick(["Log", "Sqrt", "Reciprocal"])
    made = {"Log": torch.log, "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal}[op](value[1])
    return [g.add(op, [value], made)]


def exponential(g):
    value = g.value(lambda x: x.abs().max() < 3)
    return [g.add("Exp", [value], value[1].exp())]


def clip(g):
    value = g.value()
    low, high = g.constant(torch.tensor(-0.5, dtype=F64)), g.constant(torch.tensor(0.75, dtype=F64))
    return [g.add("Clip", [value, low, high], value[1].clamp(-0.5, 0.75))]


def partner(g, x):
    """Another value, or a weight, that broadcasts with `x`."""
    def fits(other):
        try:
            torch.broadcast_shapes(x.shape, other.shape)
            return True
        except RuntimeError:
            return False

    if g.flag():
        return g.value(fits)
    shape = [size if g.flag() else 1 for size in x.shape]
    return g.weight(shape[g.int(0, len(shape)) :] if g.flag() else shape)


def binary(g):
    a = g.value()
    b = partner(g, a[1])
    if g.flag():
        a, b = b, a
    op = g.pick(["Add", "Sub", "Mul", "Mul", "Max", "Min", "Div", "Pow"])
    if op in ("Max", "Min") and a[0] == b[0]:
        raise Dead  # equal everywhere: both are right, each in its way
    if op == "Div":
        b = g.positive(b)
    if op == "Pow":
        a, b = g.positive(a), g.add("Tanh", [b], b[1].tanh())
    made = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Max": torch.maximum, "Min": torch.minimum,
            "Div": torch.div, "Pow": torch.pow}[op](a[1], b[1])
    return [g.add(op, [a, b], made)]


def many(g):
    a = g.value()
    parts = [a] + [partner(g, a[1]) for _ in range(g.int(1, 2))]
    if g.flag():
        shape = torch.broadcast_shapes(*[part[1].shape for part in parts])
        return [g.add("Sum", parts, sum(part[1].expand(shape) for part in parts))]
    return [g.add("Mean", parts, sum(part[1] for part in parts) / len(parts))]


def where(g):
    a = g.value()
    b = partner(g, a[1])
    zero = g.constant(torch.tensor(0.1, dtype=F64))
    condition = g.emit("Greater", [a, zero], [(a[1] > zero[1]).to(F64)])[0]
    return [g.add("Where", [condition, a, b], torch.where(condition[1] > 0, a[1], b[1]))]


def reduced(g):
    value = g.value(lambda x: x.dim() > 0)
    x = value[1]
    axes = sorted(g.random.permutation(x.dim())[: g.int(1, x.dim())].tolist())
    keep = g.flag()
    op = g.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
                 "ReduceLogSumExp", "ReduceProd"])
    made = {
        "ReduceSum": lambda: x.sum(axes, keep),
        "ReduceMean": lambda: x.mean(axes, keep),
        "ReduceMax": lambda: x.amax(axes, keep),
        "ReduceMin": lambda: x.amin(axes, keep),
        "ReduceL1": lambda: x.abs().sum(axes, keep),
        "ReduceL2": lambda: torch.linalg.vector_norm(x, 2, axes, keep),
        "ReduceSumSquare": lambda: (x * x).sum(axes, keep),
        "ReduceLogSumExp": lambda: torch.logsumexp(x, axes, keep),
        "ReduceProd": lambda: product(x, axes, keep),
    }[op]()
    signed = [axis - x.dim() if g.flag() else axis for axis in axes]
    if g.opset >= (13 if op == "ReduceSum" else 18):
        return [g.add(op, [value, g.ints(signed)], made, keepdims=int(keep))]
    return [g.add(op, [value], made, axes=signed, keepdims=int(keep))]


def product(x, axes, keep):
    for axis in reversed(axes):
        x = x.prod(axis, keepdim=keep)
    return x


def reshaped(g):
    value = g.value()
    x = value[1]
    kind = g.pick(["flat", "split", "squeeze", "unsqueeze", "transpose", "flatten"])
    if kind == "flat":
        return [g.add("Reshape", [value, g.ints([-1])], x.reshape(-1))]
    if kind == "split":
        axis = g.int(0, x.dim() - 1) if x.dim() else 0
        if not x.dim() or x.dim() > 4 or x.shape[axis] % 2:
            raise Dead
        shape = [*x.shape[:axis], 2, x.shape[axis] // 2, *x.shape[axis + 1 :]]
        return [g.add("Reshape", [value, g.ints(shape)], x.reshape(shape))]
    if kind == "squeeze":
        ones = [axis for axis, size in enumerate(x.shape) if size == 1]
        if not ones:
            raise Dead
        return [g.add("Squeeze", [value, g.ints(ones[:1])], x.squeeze(ones[0]))]
    if kind == "unsqueeze":
        if x.dim() > 4:
            raise Dead
        axis = g.int(0, x.dim())
        return [g.add("Unsqueeze", [value, g.ints([axis])], x.unsqueeze(axis))]
    if kind == "flatten":
        axis = g.int(0, x.dim())
        made = x.reshape(int(np.prod(x.shape[:axis], dtype=int)), -1)
        return [g.add("Flatten", [value], made, axis=axis)]
    if x.dim() == 0:
        raise Dead
    order = g.random.permutation(x.dim()).tolist()
    return [g.add("Transpose", [value], x.permute(order), perm=order)]


def parts(g):
    value = g.value(lambda x: x.dim() > 0)
    x = value[1]
    axis = g.int(0, x.dim() - 1)
    size = x.shape[axis]
    kind = g.pick(["slice", "split", "gather", "pad", "concat", "tile", "expand", "cumsum", "trilu"])
    if kind == "slice":
        step = g.pick([1, 1, 2, -1])
        index = list(range(size))[::step][: g.int(1, size)]
        start, last = index[0], index[-1]
        end = last + 1 if step > 0 else (last - 1 if last > 0 else -size - 1)
        inputs = [value, g.ints([start]), g.ints([end]), g.ints([axis]), g.ints([step])]
        return [g.add("Slice", inputs, x.index_select(axis, torch.tensor(index)))]
    if kind == "split":
        if size < 2:
            raise Dead
        first = g.int(1, size - 1)
        return g.emit("Split", [value, g.ints([first, size - first])], list(x.split([first, size - first], axis)), axis=axis)
    if kind == "gather":
        index = g.random.integers(0, size, size=g.int(1, 4)).tolist()
        return [g.add("Gather", [value, g.ints(index)], x.index_select(axis, torch.tensor(index)), axis=axis)]
    if kind == "pad":
        before, after = [g.int(0, 1) for _ in x.shape], [g.int(0, 2) for _ in x.shape]
        flat = [number for pair in zip(reversed(before), reversed(after)) for number in pair]
        return [g.add("Pad", [value, g.ints(before + after)], F.pad(x, flat))]
    if kind == "concat":
        fits = lambda other: other.dim() == x.dim() and all(
            a == b for i, (a, b) in enumerate(zip(other.shape, x.shape)) if i != axis)
        other = g.value(fits)
        return [g.add("Concat", [value, other], torch.cat([x, other[1]], axis), axis=axis)]
    if kind == "tile":
        repeats = [g.int(1, 2) for _ in x.shape]
        return [g.add("Tile", [value, g.ints(repeats)], x.tile(repeats))]
    if kind == "expand":
        shape = [3 if size == 1 else size for size in x.shape]
        return [g.add("Expand", [value, g.ints(shape)], x.expand(shape))]
    if kind == "cumsum":
        reverse = g.flag()
        made = x.flip(axis).cumsum(axis).flip(axis) if reverse else x.cumsum(axis)
        return [g.add("CumSum", [value, g.constant(torch.tensor(axis))], made, reverse=int(reverse))]
    if x.dim() < 2 or g.opset < 14:
        raise Dead
    upper, k = g.flag(), g.int(-1, 1)
    made = x.triu(k) if upper else x.tril(k)
    return [g.add("Trilu", [value, g.constant(torch.tensor(k))], made, upper=int(upper))]


def matrix(g):
    a = g.value(lambda x: x.dim() >= 2)
    x = a[1]
    kind = g.pick(["weight", "self", "gemm", "einsum"])
    if kind == "weight":
        b = g.weight([x.shape[-1], g.int(1, 4)], 0.5)
        return [g.add("MatMul", [a, b], x @ b[1])]
    if kind == "self":
        order = [*range(x.dim() - 2), x.dim() - 1, x.dim() - 2]
        turned = g.add("Transpose", [a], x.transpose(-1, -2), perm=order)
        return [g.add("MatMul", [a, turned], x @ turned[1])]
    if kind == "einsum":
        b = g.weight([x.shape[-1], x.shape[-2]], 0.5)
        equation = g.pick(["...ij,ji->...", "...ij,jk->...ik", "...ij,ji->...j"])
        return [g.add("Einsum", [a, b], torch.einsum(equation, x, b[1]), equation=equation)]
    if x.dim() != 2:
        raise Dead
    flip = g.flag()
    b = g.weight([3, x.shape[1]] if flip else [x.shape[1], 3], 0.5)
    c = g.weight([3])
    made = 0.5 * x @ (b[1].T if flip else b[1]) + 1.5 * c[1]
    return [g.add("Gemm", [a, b, c], made, alpha=0.5, beta=1.5, transB=int(flip))]


def normalised(g):
    value = g.value(lambda x: x.dim() >= 2)
    x = value[1]
    kind = g.pick(["Softmax", "LogSoftmax", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
                   "BatchNormalization", "LpNormalization", "RMSNormalization"])
    axis = g.int(0, x.dim() - 1)
    if kind in ("Softmax", "LogSoftmax"):
        made = x.softmax(axis) if kind == "Softmax" else x.log_softmax(axis)
        return [g.add(kind, [value], made, axis=axis)]
    if kind == "LpNormalization":
        return [g.add(kind, [value], x / torch.linalg.vector_norm(x, 2, axis, True), axis=axis, p=2)]
    if kind == "LayerNormalization":
        if g.opset < 17:
            raise Dead
        scale, bias = g.weight([x.shape[-1]]), g.weight([x.shape[-1]])
        made = F.layer_norm(x, x.shape[-1:], scale[1], bias[1], 1e-2)
        return [g.add(kind, [value, scale, bias], made, epsilon=1e-2)]
    if kind == "RMSNormalization":
        if g.opset < 23:
            raise Dead
        scale = g.weight([x.shape[-1]])
        made = x / (x.square().mean(-1, keepdim=True) + 1e-2).sqrt() * scale[1]
        return [g.add(kind, [value, scale], made, epsilon=1e-2)]
    if x.dim() < 3:
        raise Dead
    scale, bias = g.weight([x.shape[1]]), g.weight([x.shape[1]])
    if kind == "InstanceNormalization":
        if x[0, 0].numel() < 2:
            raise Dead
        return [g.add(kind, [value, scale, bias], F.instance_norm(x, weight=scale[1], bias=bias[1], eps=1e-2), epsilon=1e-2)]
    if kind == "GroupNormalization":
        if g.opset < 21 or x[0].numel() < 2:
            raise Dead
        made = F.group_norm(x, 1, scale[1], bias[1], 1e-2)
        return [g.add(kind, [value, scale, bias], made, num_groups=1, epsilon=1e-2)]
    mean = g.weight([x.shape[1]])
    variance = g.constant(g.numbers([x.shape[1]]).abs() + 0.5)
    variance = g.constant(torch.tensor(variance[1].numpy().astype(np.float32), dtype=F64))
    made = F.batch_norm(x, mean[1], variance[1], scale[1], bias[1], eps=1e-3)
    return [g.add(kind, [value, scale, bias, mean, variance], made, epsilon=1e-3)]


def spatial(g):
    value = g.value(lambda x: x.dim() == 4)
    x = value[1]
    n, c, h, w = x.shape
    kind = g.pick(["Conv", "Conv", "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize",
                   "SpaceToDepth", "LRN", "PRelu"])
    if kind == "Conv":
        groups = c if g.flag() else 1
        outputs = c if groups > 1 else g.int(1, 4)
        kernel, stride, pad, dilation = g.int(1, 3), g.int(1, 2), g.int(0, 1), g.int(1, 2)
        if min(h, w) + 2 * pad < (kernel - 1) * dilation + 1:
            raise Dead
        k, b = g.weight([outputs, c // groups, kernel, kernel], 0.5), g.weight([outputs])
        made = F.conv2d(x, k[1], b[1], stride, pad, dilation, groups)
        return [g.add(kind, [value, k, b], made, strides=[stride] * 2, pads=[pad] * 4, dilations=[dilation] * 2, group=groups)]
    if kind == "ConvTranspose":
        k, stride = g.weight([c, 2, 2, 2], 0.5), g.int(1, 2)
        return [g.add(kind, [value, k], F.conv_transpose2d(x, k[1], stride=stride), strides=[stride] * 2)]
    if kind in ("MaxPool", "AveragePool"):
        kernel, stride, pad = g.int(2, 3), g.int(1, 2), g.int(0, 1)
        if min(h, w) + 2 * pad < kernel:
            raise Dead
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        if kind == "MaxPool":
            return [g.add(kind, [value], F.max_pool2d(x, kernel, stride, pad), **attributes)]
        include = g.flag()
        made = F.avg_pool2d(x, kernel, stride, pad, count_include_pad=include)
        return [g.add(kind, [value], made, count_include_pad=int(include), **attributes)]
    if kind == "GlobalAveragePool":
        return [g.add(kind, [value], x.mean([2, 3], keepdim=True))]
    if kind == "Resize":
        mode = g.pick(["nearest", "bilinear", "bicubic"])
        size = [g.int(1, 9), g.int(1, 9)]
        extra = {} if mode == "nearest" else {"align_corners": False}
        made = F.interpolate(x, size=size, mode=mode, **extra)
        how = {"mode": {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[mode]}
        if mode == "nearest":
            how |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        else:
            # PyTorch's exporter says pytorch_half_pixel, which differs for a size of 1 only.
            how |= {"coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75}
        return [g.add(kind, [value, "", "", g.ints([n, c, *size])], made, **how)]
    if kind == "SpaceToDepth":
        if h % 2 or w % 2:
            raise Dead
        made = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        return [g.add(kind, [value], made, blocksize=2)]
    if kind == "LRN":
        made = F.local_response_norm(x, 3, 0.3, 0.75, 1.0)
        return [g.add(kind, [value], made, size=3, alpha=0.3, beta=0.75, bias=1.0)]
    slope = g.constant(g.numbers([c, 1, 1]))
    return [g.add(kind, [value, slope], torch.where(x >= 0, x, x * slope[1]))]


FAMILIES = [unary, unary, unary, of_positive, exponential, clip, binary, binary, binary, many, where, reduced, reshaped,
            reshaped, parts, parts, parts, matrix, matrix, normalised, normalised, spatial, spatial, spatial]


def make(seed):
    """The files of one case."""
    g = Graph(seed)
    wanted = g.int(4, 14)
    for _ in range(400):
        if len(g.values) > wanted:
            break
        state = len(g.nodes), len(g.weights), g.count
        try:
            made = g.pick(FAMILIES)(g)
            for name, tensor in made:
                if tensor.abs().max() > 30:
                    raise Dead
            g.values += made
        except Dead:
            del g.nodes[state[0] :], g.weights[state[1] :]
            g.count = state[2]
    fitting = [value for value in g.values[1:] if value[1].requires_grad]
    # The last value, and with it another one that may share what is before.
    outputs = [fitting[-1]]
    name, y = outputs[0]
    cotangent = g.numbers(list(y.shape))
    (gradient,) = torch.autograd.grad(y, g.x, cotangent)
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(g.x.shape)),
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(y.shape))]
    graph = helper.make_graph(g.nodes, f"random{seed}", ends[:1], ends[1:], g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", g.opset)], ir_version=9)
    files = {"model.onnx": model.SerializeToString()}
    for file, tensor in (("input_0", g.x), ("input_1", cotangent), ("output_0", y), ("output_1", gradient)):
        kind = np.float32 if file.startswith("input") else np.float64
        array = np.ascontiguousarray(tensor.detach().numpy().astype(kind)).reshape(tensor.shape)
        files[f"0/{file}.pb"] = numpy_helper.from_array(array).SerializeToString()
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = 0
    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_STORED) as archive:
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            try:
                files = make(seed)
            except (IndexError, RuntimeError) as reason:
                print(f"{seed}: no graph ({str(reason)[:80]})")
                continue
            made += 1
            for file, data in files.items():
                archive.writestr(f"random/{seed}/{file}", data)
    print(f"{made} graphs")


if __name__ == "__main__":
    main()
