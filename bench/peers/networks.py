"""The networks that are explained: EfficientNet-Lite0 with its weights, and torchvision's with random ones that give sane logits.

Speed does not depend on what weights are, but the answers of both sides are compared, and untrained networks are of little
use as they come: numbers grow or vanish in batch normalisation that has seen nothing, and units of random weights sit nearer
to a rectifier's bound than float32 can tell, where two correct engines take different sides. So batch normalisation keeps its
channels away from the bound and takes its statistics from pictures, what is constant is drawn, and the head is scaled.
"""

import contextlib
import io
import logging
import pathlib
import sys
import warnings

import torch
import torchvision
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import efficientnet_lite0  # noqa: E402

LITE0 = "efficientnet-lite0"
SEED = 7
#: Standard deviation of the logits.
SPREAD = 2.0
#: How far from a rectifier's bound a channel's mean is, in its deviations, and how many of them are off. Farther off the logits
#: hardly answer to the picture, and what occlusion finds is as small as rounding; at the bound gradients are 2 % off in float32.
DISTANCE, OFF = 1.0, 0.3
#: By its file's name, and as torchvision calls it.
RANDOM = {"resnet50": "resnet50", "vgg16": "vgg16", "vit-b-16": "vit_b_16"}
#: What feeds the global pooling, which is Grad-CAM's layer.
FEATURES = {LITE0: "features", "resnet50": "layer4"}
#: What dreams: the last module whose grid is twice as fine as that of the features.
DREAMING = {LITE0: "_blocks.10", "resnet50": "layer3"}


def load(name: str, pixels: torch.Tensor) -> nn.Module:
    """The network in eval mode, parameters without gradients, for 1×3×224×224 pixels in 0…1 such as these."""
    if name == LITE0:
        return efficientnet_lite0.load()
    torch.manual_seed(SEED)
    model = getattr(torchvision.models, RANDOM[name])(weights=None).eval().requires_grad_(False)
    draw(model)
    shown = torch.cat([pixels, pixels.flip(2, 3), pixels.roll((70, 40), (2, 3)), (pixels + 0.2 * torch.randn_like(pixels)).clamp(0, 1)])
    settle(model, shown)
    return model


def draw(model: nn.Module) -> None:
    """Batch normalisation gets channels that are on or off; parameters that are all zero get values of their own."""
    for child in model.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.weight.uniform_(0.6, 1.0)
            off = torch.rand(child.bias.shape) < OFF
            child.bias.copy_(DISTANCE * child.weight * (1 - 2 * off.float()))
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            parameter.normal_(0, 0.02)


def settle(model: nn.Module, shown: torch.Tensor) -> None:
    norms = [child for child in model.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        model(shown)
        for norm in norms:
            norm.eval()
        head = [child for child in model.modules() if isinstance(child, nn.Linear)][-1]
        head.weight.normal_(0, 0.02)
        scale = SPREAD / model(shown).std(dim=1).mean()
        head.weight.mul_(scale)
        head.bias.mul_(scale)


def export(model: nn.Module, pixels: torch.Tensor, path: pathlib.Path) -> None:
    """Writes the network as ONNX, with an open batch. What the exporter has to say is kept from the screen."""
    # The fused attention of torch's own encoder is one operator that this exporter cannot write.
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (pixels,), path, dynamo=False, opset_version=17, input_names=["image"], output_names=["scores"],
                dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
            )
    finally:
        logging.disable(logging.NOTSET)
        torch.backends.mha.set_fastpath_enabled(True)
