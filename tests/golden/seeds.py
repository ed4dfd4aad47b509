"""Finds seeds for networks.py: those whose networks no correct float32 engine can disagree about. Run: python seeds.py [count]

Where a unit sits within rounding of a ReLU's bound, or two cells of a pooling window within rounding of each other, two
correct engines may take different branches, and the gradient of a network of random weights (spread evenly over the
picture) changes by more than the tolerance. So: of `count` seeds, the one whose closest call is widest, judged in float64.
Only layers from a stride of 4 on are looked at: before that a flip changes a handful of cells.
"""

import sys

import torch
from torch import nn

import networks
import picture

WIDEST = 224 // 4


def margin(name: str, seed: int) -> float:
    """The closest call: distance from the bound, or between the two largest of a window, over the layer's own spread."""
    network, _, _ = networks.build(name, seed)
    model = networks.Normalised(network).eval().double()
    calls = []

    def rectifier(module, inputs):
        (x,) = inputs
        if x.shape[-1] <= WIDEST:
            calls.append(float(x.abs().min() / x.std()))

    def pooling(module, inputs):
        (x,) = inputs
        if x.shape[-1] // module.stride <= WIDEST:
            windows = nn.functional.unfold(x, module.kernel_size, padding=module.padding, stride=module.stride)
            windows = windows.view(x.shape[1], module.kernel_size**2, -1)
            first, second = windows.topk(2, dim=1).values.unbind(1)
            calls.append(float((first - second)[first > 0].min() / x.std()))

    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(rectifier)
        elif isinstance(module, nn.MaxPool2d):
            module.register_forward_pre_hook(pooling)
    with torch.no_grad():
        model(torch.from_numpy(picture.unit(picture.picture())).double())
    return min(calls)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    for name in networks.NETWORKS:
        margins = {seed: margin(name, seed) for seed in range(count)}
        best = max(margins, key=margins.get)
        print(f"{name}: seed {best}, closest call {margins[best]:.1e} (median of the others {sorted(margins.values())[count // 2]:.1e})", flush=True)


if __name__ == "__main__":
    main()
