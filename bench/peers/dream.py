"""torch-lucent's ascent on a picture: the mean of one channel of a layer grows, by steps as ours has them.

Lucent brings the loop, the hooks and the objective; the picture is its own parameter (no Fourier basis, no transforms), and the
step is that of ours without smoothing: the gradient at a deviation of 1, times `step`, held within 0…1.
"""

import torch
from lucent.optvis import objectives, render


class Ascent(torch.optim.Optimizer):
    def __init__(self, parameters, step):
        super().__init__(parameters, {"step": step})

    @torch.no_grad()
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                # The closure descends on the negative of the objective.
                direction = -parameter.grad / parameter.grad.square().mean().sqrt()
                parameter.add_(direction, alpha=group["step"]).clamp_(0, 1)
        return loss


def dream(model, layer, image, channel, iterations, step):
    """3×H×W: the picture after so many steps. `layer` is a path of modules."""
    picture = image.clone(memory_format=torch.preserve_format).requires_grad_()
    try:
        images = render.render_vis(
            model, objectives.channel(layer.replace(".", "_"), channel), param_f=lambda: ([picture], lambda: picture),
            optimizer=lambda parameters: Ascent(parameters, step), transforms=[], preprocess=False, thresholds=(iterations,),
            progress=False, show_image=False,
        )
    finally:
        # Lucent hooks every module, and leaves its hooks behind.
        for module in model.modules():
            module._forward_hooks.clear()
    return torch.from_numpy(images[0][0].transpose(2, 0, 1).copy())
