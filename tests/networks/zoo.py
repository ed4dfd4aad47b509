"""The networks: how each is built, where its features are, and weights that are random and yet give sane logits.

Untrained networks are of little use as they come: batch normalisation that has seen nothing lets numbers grow or vanish, and
transformers begin with heads, class tokens and layer scales of zero, so that whole branches do nothing. `build` draws what
is constant, lets batch normalisation see pictures, and scales the head until the logits have a spread of 2.
"""

import dataclasses
import math
import pathlib
import sys
import warnings

import timm
import torch
import torchvision
from torch import nn

from keras_style import KerasStyle

sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))
import picture  # noqa: E402

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
SEED = 20_260_407
SPREAD = 2.0
# Of the channels in front of rectifiers.
OFF = 0.3


@dataclasses.dataclass
class Network:
    module: nn.Module
    #: The module whose output is the value behind `features`.
    features: str
    #: How that output is laid out: "nchw", "nhwc", or "tokens" (N×T×C).
    layout: str = "nchw"
    #: Height and width of the grid of tokens.
    grid: tuple[int, int] = (0, 0)
    size: int = 224
    #: Whether it has rectifiers, so that guided backpropagation differs from the gradient.
    rectifiers: bool = True
    #: How far batch normalisation keeps units from a rectifier's bound, on either side, in deviations: 3, and another where
    #: with 3 a unit or a maximum still is too close to call (or, in ShuffleNet, the last features are nearly all off).
    distance: float = 3.0
    #: The file's input is N×H×W×3, and its output probabilities.
    channels_last: bool = False


class DenseNet(nn.Module):
    """torchvision's, with its last rectifier as a module: that is where the features are."""

    def __init__(self):
        super().__init__()
        whole = torchvision.models.densenet121(weights=None)
        self.features, self.rectifier, self.classifier = whole.features, nn.ReLU(), whole.classifier

    def forward(self, x):
        x = self.rectifier(self.features(x))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def torchvisions(name, features, **more):
    options = more.pop("options", {})
    return lambda: Network(getattr(torchvision.models, name)(weights=None, **options), features, **more)


def timms(name, features, **more):
    options = more.pop("options", {})
    return lambda: Network(timm.create_model(name, pretrained=False, **options), features, **more)


NETWORKS = {
    "vgg11-bn": torchvisions("vgg11_bn", "features"),
    "resnet18": torchvisions("resnet18", "layer4"),
    "resnext50": torchvisions("resnext50_32x4d", "layer4", distance=3.5),
    "densenet121": lambda: Network(DenseNet(), "rectifier"),
    "inception-v3": torchvisions("inception_v3", "Mixed_7c", size=299, distance=3.25, options={"aux_logits": False, "init_weights": False}),
    "mobilenet-v3-small": torchvisions("mobilenet_v3_small", "features"),
    "efficientnet-b0": torchvisions("efficientnet_b0", "features", rectifiers=False),
    "regnet-y-400mf": torchvisions("regnet_y_400mf", "trunk_output"),
    "shufflenet-v2": torchvisions("shufflenet_v2_x1_0", "conv5", distance=2.5),
    "convnext-tiny": torchvisions("convnext_tiny", "features", rectifiers=False),
    "swin-tiny": torchvisions("swin_t", "permute", rectifiers=False),
    "maxvit-tiny": torchvisions("maxvit_t", "blocks.3", rectifiers=False),
    "vit-b-16": torchvisions("vit_b_16", "encoder.layers.encoder_layer_11.ln_1", layout="tokens", grid=(14, 14), rectifiers=False),
    "deit-tiny": timms("deit_tiny_patch16_224", "blocks.11.norm1", layout="tokens", grid=(14, 14), rectifiers=False),
    "vit-wee-registers": timms("vit_wee_patch16_reg1_gap_256", "norm", layout="tokens", grid=(16, 16), size=256, rectifiers=False),
    "swin-tiny-timm": timms("swin_tiny_patch4_window7_224", "norm", layout="nhwc", rectifiers=False),
    "keras-style": lambda: Network(KerasStyle(), "blocks", layout="nhwc", channels_last=True),
}

#: Networks whose sweeps alone are checked (`occlusion.py`).
SWEPT = {
    "resnet50": torchvisions("resnet50", "layer4"),
    "vgg16": torchvisions("vgg16", "features"),
}


def build(name: str, away: bool = True) -> Network:
    """The network in eval mode, in float32, without gradients for its parameters; its units `away` from rectifiers' bounds."""
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = (NETWORKS | SWEPT)[name]()
    module = network.module.eval().requires_grad_(False)
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
        if hasattr(child, "fused_attn"):
            child.fused_attn = True
    draw_constants(module)
    if network.rectifiers and away:
        keep_away(module, network.distance)
    shown = pictures(network.size)
    if network.channels_last:
        shown = shown.permute(0, 2, 3, 1)
    show(module, shown)
    head = last_linear(module)
    spread = module(shown).std(dim=1).mean()
    for parameter in head.parameters():
        parameter.mul_(SPREAD / spread)
    return network


def pictures(size: int) -> torch.Tensor:
    """Four normalised pictures: the procedural one, turned over, moved, and moved with noise on it."""
    one = torch.from_numpy(picture.unit(picture.picture(size)))
    moved = one.roll((size // 3, size // 5), (2, 3))
    noisy = (one.roll(size // 2, 3) + 0.2 * torch.rand(one.shape) - 0.1).clamp(0, 1)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (torch.cat([one, one.flip(2, 3), moved, noisy]) - mean) / std


def draw_constants(module: nn.Module) -> None:
    """Parameters that every network begins with alike get values of their own."""
    between = lambda tensor, low, high: tensor.copy_(low + (high - low) * torch.rand(tensor.shape))
    norms = tuple(getattr(nn, name) for name in ("BatchNorm2d", "LayerNorm", "GroupNorm"))
    for child in module.modules():
        if isinstance(child, norms) and child.weight is not None:
            between(child.weight, 0.6, 1.0)
            between(child.bias, -0.2, 0.2)
    for name, parameter in module.named_parameters():
        if "layer_scale" in name or name.endswith(".gamma"):
            between(parameter, 0.1, 0.5)
        elif name.endswith("factor"):
            between(parameter, 0.8, 1.6)
        elif parameter.numel() > 1 and float(parameter.abs().max()) == 0:
            bound = math.sqrt(3.0 / parameter.shape[-1]) if parameter.dim() == 2 else 0.05
            between(parameter, -bound, bound)


def keep_away(module: nn.Module, distance: float) -> None:
    """Units are on or off, and few are near a rectifier's bound: there two correct engines in float32 find them on different
    sides, and what is measured then is how many sat there, not how well a graph is differentiated."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            off = torch.rand(child.bias.shape) < OFF
            child.bias.add_(distance * child.weight * (1 - 2 * off.float()))


def show(module: nn.Module, pictures: torch.Tensor) -> None:
    """Batch normalisation takes its statistics from `pictures`."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    module(pictures)
    for norm in norms:
        norm.eval()


def last_linear(module: nn.Module) -> nn.Linear:
    return [child for child in module.modules() if isinstance(child, nn.Linear)][-1]
