"""What PyTorch says of a network: logits, gradients and Grad-CAM, in float64 and in its own float32."""

import contextlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import zoo


class Normalised(nn.Module):
    """Pixels in 0…1, N×3×H×W, in front of a network that wants ImageNet's statistics."""

    def __init__(self, network: zoo.Network):
        super().__init__()
        self.module, self.channels_last = network.module, network.channels_last
        self.register_buffer("mean", torch.tensor(zoo.MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(zoo.STD).view(1, 3, 1, 1))

    def forward(self, x):
        x = (x - self.mean) / self.std
        return self.module(x.permute(0, 2, 3, 1) if self.channels_last else x)


class Guided(torch.autograd.Function):
    """1[low < f < high]·1[R > 0]·R on the way back."""

    @staticmethod
    def forward(context, x, high):
        context.save_for_backward(x)
        context.high = high
        return x.clamp(0, high)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        passes = (x > 0) & (x < context.high) & (gradient > 0)
        return gradient * passes, None


@contextlib.contextmanager
def rectifiers(guided: bool):
    """Rectifiers never work in place while this holds, and let gradients pass as guided backpropagation wants it if `guided`."""
    kept = functional.relu, functional.relu6
    if guided:
        functional.relu = lambda x, inplace=False: Guided.apply(x, float("inf"))
        functional.relu6 = lambda x, inplace=False: Guided.apply(x, 6.0)
    else:
        functional.relu = lambda x, inplace=False: torch.relu(x)
        functional.relu6 = lambda x, inplace=False: kept[1](x)
    try:
        yield
    finally:
        functional.relu, functional.relu6 = kept


def differentiate(model: Normalised, network: zoo.Network, x: torch.Tensor, target: int | None, guided: bool) -> dict:
    seen = {}
    hook = network.module.get_submodule(network.features).register_forward_hook(lambda module, inputs, output: seen.update(features=output))
    x = x.clone().requires_grad_()
    with rectifiers(guided):
        logits = model(x)[0]
        target = int(logits.argmax()) if target is None else target
        gradient, inner = torch.autograd.grad(logits[target], [x, seen["features"]])
    hook.remove()
    return {
        "target": target,
        "logits": logits.detach().numpy(),
        "gradient": gradient[0].numpy(),
        "features": planes(seen["features"].detach()[0], network),
        "features-gradient": planes(inner[0], network),
    }


def planes(value: torch.Tensor, network: zoo.Network) -> np.ndarray:
    """C×h×w, whatever the layout: tokens that stand before the grid are left out."""
    if network.layout == "nhwc":
        value = value.permute(2, 0, 1)
    elif network.layout == "tokens":
        height, width = network.grid
        value = value[value.shape[0] - height * width :].T.reshape(-1, height, width)
    return value.numpy()


def grad_cam(answer: dict) -> np.ndarray:
    alpha = answer["features-gradient"].mean(axis=(1, 2), keepdims=True)
    return np.maximum((alpha * answer["features"]).sum(axis=0), 0)


def answers(network: zoo.Network, pixels: np.ndarray) -> tuple[dict, dict]:
    """(float64, float32), each by the name of the array."""
    model = Normalised(network)
    results = []
    target = None
    for precise in (True, False):
        model.to(torch.float64 if precise else torch.float32)
        x = torch.from_numpy(pixels).to(torch.float64 if precise else torch.float32)
        answer = differentiate(model, network, x, target, guided=False)
        target = answer["target"]
        answer["grad-cam"] = grad_cam(answer)
        if network.rectifiers:
            answer["guided-backprop"] = differentiate(model, network, x, target, guided=True)["gradient"]
        results.append(answer)
    # To float64 and back leaves the parameters as they were: float32's numbers are float64's too.
    return results[0], results[1]
