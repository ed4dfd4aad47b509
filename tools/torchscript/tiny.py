"""Makes tests/models/tiny-torch: the network that tests/src/tiny.rs writes as ONNX, with the same weights, as TorchScript.

Run: python tools/torchscript/tiny.py
"""

import math
import pathlib
import zipfile

import torch

from whyglass_torchscript import Layer, trace

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "models" / "tiny-torch"
SIDE = 16


def sines(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights that are neither all alike nor random; `name` is what tests/src/tiny.rs calls them."""
    count = math.prod(shape)
    return torch.tensor([math.sin(len(name) + index * 1.7) * 0.5 for index in range(count)]).reshape(shape)


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.relu = torch.nn.ReLU(inplace=True)
        self.linear = torch.nn.Linear(4, 3)
        with torch.no_grad():
            self.conv.weight.copy_(sines("conv.weight", (4, 3, 3, 3)))
            self.conv.bias.copy_(sines("conv.bias", (4,)))
            # ONNX's Gemm has inputs × outputs there.
            self.linear.weight.copy_(sines("linear.weight", (4, 3)).T)
            self.linear.bias.copy_(sines("linear.bias", (3,)))

    def forward(self, pixels):
        return self.linear(self.relu(self.conv(pixels)).mean((2, 3)))


class OneRow(Tiny):
    """Takes one picture at a time, and returns a tuple: what careless exporting gives."""

    def forward(self, pixels):
        maps = self.relu(self.conv(pixels))
        return self.linear(maps.mean((2, 3)).reshape(1, 4)), maps


class FewerClasses(torch.nn.Module):
    """Returns no N×classes: what a person may export by mistake."""

    def forward(self, pixels):
        return pixels * 2.0


def save(module, name: str) -> None:
    path = FOLDER / name
    torch.jit.save(module, str(path))
    # Where each line came from is most of the file, and has the paths of whoever ran this in it.
    with zipfile.ZipFile(path) as archive:
        members = [(member, archive.read(member)) for member in archive.namelist() if not member.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members:
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), data)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    network = Tiny().eval()
    save(trace(network, [Layer("conv"), Layer("relu")], (SIDE, SIDE)), "model.pt")
    save(torch.jit.trace(OneRow().eval(), torch.rand(1, 3, SIDE, SIDE)), "one-row.pt")
    save(torch.jit.trace(FewerClasses(), torch.rand(1, 3, SIDE, SIDE)), "no-classifier.pt")
    torch.save(network.state_dict(), FOLDER / "state-dict.pt")


if __name__ == "__main__":
    main()
