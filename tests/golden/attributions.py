"""Makes expected/<case>.{input-x-gradient,integrated-gradients}.npy and attributions.json: Captum, in float64, on the cases of make.py.

Run: python attributions.py
"""

import json

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients

import make
import picture

STEPS = 50


def attributions(model, x, target):
    methods = {
        "input-x-gradient": lambda: InputXGradient(model).attribute(x, target=target),
        "integrated-gradients": lambda: IntegratedGradients(model).attribute(
            x, baselines=0, target=target, n_steps=STEPS, method="gausslegendre", internal_batch_size=5
        ),
    }
    return {name: method()[0].detach().numpy() for name, method in methods.items()}


def main() -> None:
    index = json.loads((make.EXPECTED / "index.json").read_text())
    scales = {}
    for name, build in make.cases():
        model, _, pixels, _ = build()
        target = index["cases"][name]["target"]
        single = torch.from_numpy(picture.unit(pixels))
        coarse = attributions(model, single.clone().requires_grad_(), target)
        scales[name] = {}
        for kind, full in attributions(model.double(), single.double().requires_grad_(), target).items():
            cells = full.reshape(-1)
            norm, largest = float(np.linalg.norm(cells)), float(np.abs(cells).max())
            error = coarse[kind].reshape(-1) - cells
            outside = float((np.abs(error) > 1e-3 * largest).mean())
            float32 = {"relative_l2": float(np.linalg.norm(error)) / norm, "outside": outside}
            scales[name][kind] = {"l2": norm, "largest": largest, "float32": float32}
            np.save(make.EXPECTED / f"{name}.{kind}.npy", np.ascontiguousarray(cells[:: make.EVERY], dtype=np.float32))
        print(name, json.dumps(scales[name]), flush=True)
    (make.EXPECTED / "attributions.json").write_text(json.dumps({"steps": STEPS, "cases": scales}, indent=1) + "\n")


if __name__ == "__main__":
    main()
