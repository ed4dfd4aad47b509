"""Exports a network of torchvision for Whyglass, with the layers that one names.

    python tools/torchscript/export.py resnet18 --weights DEFAULT --layer layer3 --layer layer4 --out models/resnet18
    python tools/torchscript/export.py vit_b_16 --seed 0 --layer encoder.layers.encoder_layer_10=tokens --out models/vit

With --weights the weights, the labels and how pixels are prepared come from torchvision; without, the weights are random, by
--seed. A network of your own is one call in Python: see whyglass_torchscript.py.
"""

import argparse

import torch
import torchvision

from whyglass_torchscript import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help="as torchvision.models calls it: resnet18, mobilenet_v3_large, vit_b_16 …")
    parser.add_argument("--out", required=True, help="the model's folder")
    parser.add_argument("--layer", action="append", metavar="NAME[=LAYOUT]", help="may be given several times; LAYOUT: nhwc, tokens[:SKIP[:ROWSxCOLUMNS]]")
    parser.add_argument("--weights", help="DEFAULT, or one of the network's own names")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--size", type=int, help="side of the input in pixels; 224 where the weights do not say")
    arguments = parser.parse_args()
    options = {"title": arguments.network, "normalize": "imagenet", "source": f"torchvision {torchvision.__version__}"}
    size = arguments.size or 224
    if arguments.weights:
        weights = torchvision.models.get_model_weights(arguments.network)[arguments.weights]
        network = torchvision.models.get_model(arguments.network, weights=weights)
        preset = weights.transforms()
        size = arguments.size or preset.crop_size[0]
        options |= {
            "labels": weights.meta["categories"],
            "normalize": (preset.mean, preset.std),
            "resize": f"short-side-{preset.resize_size[0]}-centre-crop",
            "filter": preset.interpolation.value,
            "licence": "see the weights' page",
        }
    else:
        torch.manual_seed(arguments.seed)
        network = torchvision.models.get_model(arguments.network, weights=None)
        options["title"] += f", random weights of seed {arguments.seed}"
    print(export(network, arguments.out, layers=arguments.layer, size=size, **options))


if __name__ == "__main__":
    main()
