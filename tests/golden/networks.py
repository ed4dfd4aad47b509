"""The networks with generated weights: torchvision's VGG-11 and ResNet-18, made fit for exporting and for Captum's hooks.

VGG-11 has all its layers at a quarter of their width (16 … 128 channels, a classifier of 256): its weights would be half a
gigabyte, and every unit is one more that may sit on its bound (see seeds.py).
"""

import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import VGG, make_layers

import weights

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """Pixels in 0…1 in front of a network that wants ImageNet's statistics. The constants are float32's, as model.toml has them."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


class OwnReluBlock(BasicBlock):
    """A residual block with a module for each of its two ReLUs: hooks on a reused module see only one of its calls."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.relu2 = nn.ReLU()

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu2(out + (x if self.downsample is None else self.downsample(x)))


def vgg11():
    network = VGG(make_layers([16, "M", 32, "M", 64, 64, "M", 128, 128, "M", 128, 128, "M"]), init_weights=False)
    network.classifier = nn.Sequential(
        nn.Linear(128 * 7 * 7, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 1000)
    )
    return network, lambda net: net.features


def resnet18():
    return torchvision.models.ResNet(OwnReluBlock, [2, 2, 2, 2]), lambda net: net.layer4


NETWORKS = {"vgg11": vgg11, "resnet18": resnet18}
SEEDS = {"vgg11": 21, "resnet18": 21}  # from seeds.py


def build(name: str, seed: int | None = None):
    """(network in eval mode with generated weights, its feature module, the recipes of its weights)."""
    network, features = NETWORKS[name]()
    recipes = weights.fill(network, SEEDS[name] if seed is None else seed)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network.eval().requires_grad_(False), features(network), recipes
