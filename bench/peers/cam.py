"""pytorch-grad-cam's Grad-CAM of one picture, and its map before it is enlarged.

The package hooks a layer and calls `backward`, so something must want a gradient. With the parameters' gradients off that is
either the picture, as its `compute_input_gradient` has it, or, by a hook of ours, the layer itself: nothing is then computed
that the map does not need, and the package is at its best.
"""

import contextlib

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget


@contextlib.contextmanager
def prepared(model, layer, image, target, from_layer):
    """Yields the work to be timed, and what gives the map on the layer's own grid once it is done."""
    begin = layer.register_forward_hook(lambda module, inputs, output: output.requires_grad_()) if from_layer else None
    method = GradCAM(model=model, target_layers=[layer])
    method.compute_input_gradient = not from_layer
    chosen = [ClassifierOutputTarget(target)]

    def work():
        return method(input_tensor=image, targets=chosen)

    def on_grid():
        seen = method.activations_and_grads
        activations, gradients = (part[0].numpy() for part in (seen.activations, seen.gradients))
        found = method.get_cam_image(image, layer, chosen, activations, gradients)[0]
        return torch.from_numpy(np.maximum(found, 0))

    try:
        yield work, on_grid
    finally:
        method.activations_and_grads.release()
        if begin is not None:
            begin.remove()
