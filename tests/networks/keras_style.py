"""A network as Keras has them: channels last from the picture to the head, so that every convolution stands between two transposes.

Separable blocks with batch normalisation written out as a product and a sum on the last axis, ReLU6, a residual connection, an
average over both spatial axes, and a Softmax at the end.
"""

import torch
from torch import nn
from torch.nn import functional


class Conv(nn.Module):
    """A convolution of N×H×W×C, batch normalisation folded to a factor and a summand behind it."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.factor, self.summand = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        x = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x * self.factor + self.summand


class Separable(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.depthwise = Conv(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = Conv(inputs, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x):
        y = functional.relu6(self.pointwise(functional.relu6(self.depthwise(x))))
        return x + y if self.skip else y


class KerasStyle(nn.Module):
    """N×H×W×3 to 1000 logits, or to probabilities with `softmax`."""

    def __init__(self, width=32):
        super().__init__()
        self.softmax = False
        self.stem = Conv(3, width, 3, 2)
        steps = [(width, 2 * width, 1), (2 * width, 4 * width, 2), (4 * width, 4 * width, 1), (4 * width, 8 * width, 2),
                 (8 * width, 8 * width, 1), (8 * width, 16 * width, 2), (16 * width, 16 * width, 1)]
        self.blocks = nn.Sequential(*(Separable(*step) for step in steps))
        self.head = nn.Linear(16 * width, 1000)

    def forward(self, x):
        x = self.blocks(functional.relu6(self.stem(x)))
        scores = self.head(x.mean(dim=(1, 2)))
        return scores.softmax(dim=1) if self.softmax else scores
