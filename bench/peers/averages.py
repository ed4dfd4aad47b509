"""Captum's integrated gradients and SmoothGrad: how many gradients are taken at once is the caller's choice."""

import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency


def integrated_gradients(model, image, target, steps, at_once):
    """3×H×W, from black, with the nodes of Gauss-Legendre as ours has them."""
    method = IntegratedGradients(model)
    leaf = image.detach().requires_grad_()
    return method.attribute(leaf, baselines=0, target=target, n_steps=steps, method="gausslegendre", internal_batch_size=at_once)[0]


def smooth_grad(model, image, target, samples, at_once, deviation, seed):
    """3×H×W: the mean of the gradients, with their signs."""
    torch.manual_seed(seed)
    method = NoiseTunnel(Saliency(model))
    leaf = image.detach().requires_grad_()
    return method.attribute(
        leaf, nt_type="smoothgrad", nt_samples=samples, nt_samples_batch_size=at_once, stdevs=deviation, target=target, abs=False
    )[0]


def mean_gradient(model, pictures, target):
    """3×H×W: the mean of the gradients at pictures that are given, one by one. What SmoothGrad is of samples that both know."""
    total = torch.zeros(pictures.shape[1:])
    for picture in pictures.split(1):
        leaf = picture.detach().requires_grad_()
        total += torch.autograd.grad(model(leaf)[:, target].sum(), leaf)[0][0]
    return total / len(pictures)
