"""Exports a PyTorch classifier for Whyglass: a TorchScript file that returns named layers beside the scores, and its model.toml.

    from whyglass_torchscript import export
    export(network, "models/mine", layers=["layer3", "layer4"], size=224, normalize="imagenet")

Grad-CAM, activations and deep dream can then be asked at `layer3` and `layer4`; gradients flow to them and to the pixels.
Responsible for the layers and for the files; what the network is and where its weights come from is the caller's.
"""

import contextlib
import dataclasses
import json
import math
import pathlib

import torch

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RESERVED = ("input", "logits", "probabilities")


@dataclasses.dataclass(frozen=True)
class Layer:
    """One submodule whose output is returned.

    `layout` says how that output lies: "nchw" (returned as it is), "nhwc" (Swin), or "tokens" (N×T×C, as a vision transformer
    has: `skip` tokens that have no place in the picture, then a grid of `grid` rows and columns, square unless said). The last
    two are returned as N×C×H×W, and the network goes on from what is returned, so that gradients are those of the layer.
    """

    name: str
    layout: str = "nchw"
    skip: int = 1
    grid: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> "Layer":
        """`name`, `name=nhwc`, `name=tokens`, `name=tokens:SKIP` or `name=tokens:SKIP:ROWSxCOLUMNS`."""
        name, _, layout = text.partition("=")
        kind, *rest = layout.split(":") if layout else ["nchw"]
        if kind not in ("nchw", "nhwc", "tokens") or (rest and kind != "tokens") or len(rest) > 2:
            raise ValueError(f"layer {text!r}: write name, name=nhwc, or name=tokens[:SKIP[:ROWSxCOLUMNS]]")
        skip = int(rest[0]) if rest else 1
        grid = tuple(int(side) for side in rest[1].split("x")) if len(rest) > 1 else None
        return cls(name, kind, skip, grid)

    def take(self, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is returned, and what the network goes on with."""
        if self.layout == "nhwc":
            maps = output.permute(0, 3, 1, 2).contiguous()
            return maps, maps.permute(0, 2, 3, 1)
        if self.layout == "tokens":
            head, rest = output[:, : self.skip], output[:, self.skip :]
            rows, columns = self.grid or (math.isqrt(rest.shape[1]),) * 2
            if rows * columns != rest.shape[1]:
                raise ValueError(f"layer {self.name!r}: {rest.shape[1]} tokens are no grid of {rows}×{columns}; give skip and grid")
            maps = rest.transpose(1, 2).unflatten(2, (rows, columns)).contiguous()
            return maps, torch.cat([head, maps.flatten(2).transpose(1, 2)], dim=1)
        return output, output


class Layered(torch.nn.Module):
    """Returns {"logits": scores, layer name: its output, …}, layers in the order in which they are computed.

    A layer that is called several times gets one name per call: `relu`, `relu:2`, `relu:3`.
    """

    def __init__(self, network: torch.nn.Module, layers: list[Layer]):
        super().__init__()
        self.network = network
        self.layers = layers
        # Layers that the network writes over once it has returned them, as an in-place ReLU does.
        self.overwritten: set[str] = set()
        modules = dict(network.named_modules())
        for layer in layers:
            if layer.name not in modules:
                near = [name for name in modules if name and layer.name.split(".")[-1] in name]
                raise ValueError(f"the network has no module {layer.name!r}; modules are {', '.join((near or list(modules)[1:])[:20])}")

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        with self.watched() as seen:
            scores = scores_of(self.network(pixels))
        found = {"logits": scores}
        for name, tensor, _ in seen:
            found[name] = tensor
        return found

    @contextlib.contextmanager
    def watched(self):
        """Hooks for the length of one forward pass; what they have seen: (name, tensor, its version then)."""
        seen, calls = [], {}

        def hook(layer):
            def keep(_module, _inputs, output):
                if not isinstance(output, torch.Tensor):
                    raise ValueError(f"layer {layer.name!r} returns {type(output).__name__}, no tensor: name a module inside of it")
                calls[layer.name] = calls.get(layer.name, 0) + 1
                name = layer.name if calls[layer.name] == 1 else f"{layer.name}:{calls[layer.name]}"
                kept, onward = layer.take(output)
                seen.append((name, kept, kept._version))
                return onward.clone() if name in self.overwritten else onward

            return keep

        modules = dict(self.network.named_modules())
        handles = [modules[layer.name].register_forward_hook(hook(layer)) for layer in self.layers]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()

    def find_overwritten(self, example: torch.Tensor) -> None:
        with self.watched() as seen:
            self.network(example)
        self.overwritten = {name for name, tensor, version in seen if tensor._version != version}


def scores_of(output) -> torch.Tensor:
    """The scores in what a network returns: a tensor, something with `logits`, or a tuple that begins with them."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict) and "logits" in output:
        return output["logits"]
    if hasattr(output, "logits"):
        return output.logits
    if isinstance(output, (tuple, list)) and isinstance(output[0], torch.Tensor):
        return output[0]
    raise ValueError(f"the network returns {type(output).__name__}: wrap it so that it returns N×classes scores")


def last_maps(network: torch.nn.Module, example: torch.Tensor) -> str:
    """The name of the last module that returns N×C×H×W with more than one cell: what feeds the pooling of most networks."""
    found, handles = [], []
    for name, module in network.named_modules():
        if name:

            def keep(_module, _inputs, output, name=name):
                if isinstance(output, torch.Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
                    found.append(name)

            handles.append(module.register_forward_hook(keep))
    try:
        network(example)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ValueError('no module returns N×C×H×W; name the layers, for a transformer as "encoder.layers.11=tokens"')
    return found[-1]


def trace(network: torch.nn.Module, layers: list[Layer], size: tuple[int, int]) -> torch.jit.ScriptModule:
    """The network as TorchScript, shown to compute what the network itself computes, on one picture and on two."""
    layered = Layered(network, layers)
    generator = torch.Generator().manual_seed(1)
    one = torch.rand(1, 3, *size, generator=generator)
    layered.find_overwritten(one)
    # The fused attention is for inference alone: no gradient goes through it.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # strict=False lets a dict be returned. Every check that matters is made below.
        traced = torch.jit.trace(layered, one, strict=False, check_trace=False)
        for pixels in (torch.rand(1, 3, *size, generator=generator), torch.rand(2, 3, *size, generator=generator)):
            with torch.no_grad():
                wanted, found = layered(pixels), traced(pixels)
            for name, tensor in wanted.items():
                apart = (found[name] - tensor).abs().max().item()
                if found[name].shape != tensor.shape or not apart <= 1e-4 * max(tensor.abs().max().item(), 1e-6):
                    raise ValueError(
                        f"traced, {name!r} is another on {len(pixels)} pictures: what the network does depends on what it sees. "
                        "Make that part with torch.jit.script"
                    )
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return traced


def export(
    network: torch.nn.Module,
    folder,
    layers=None,
    size=224,
    normalize=None,
    resize="stretch",
    filter="bicubic",
    labels=None,
    feature_layer=None,
    title=None,
    licence="",
    source="",
) -> pathlib.Path:
    """Writes `folder`/model.pt, model.toml and, with `labels`, labels.txt; returns the folder.

    `network` takes N×3×H×W as `normalize` makes it of RGB in 0…1: None (as it is), "imagenet", or (means, deviations). It
    returns scores before the softmax. `layers` are names, specifications or `Layer`s; None: the last one with N×C×H×W.
    `feature_layer` is what `features` means; None: the last of `layers`.
    """
    height, width = (size, size) if isinstance(size, int) else size
    folder = pathlib.Path(folder)
    training = network.training
    network.eval()
    try:
        if layers is None:
            layers = [last_maps(network, torch.rand(1, 3, height, width))]
        layers = [layer if isinstance(layer, Layer) else Layer.parse(layer) for layer in layers]
        traced = trace(network, layers, (height, width))
        classes = scores_of(network(torch.rand(1, 3, height, width))).shape[1]
    finally:
        network.train(training)
    if labels is not None and len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} classes")
    if feature_layer is None and layers:
        feature_layer = layers[-1].name
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.save(traced, str(folder / "model.pt"))
    lines = [
        f"title = {quoted(title or folder.name)}",
        'file = "model.pt"',
        f"input = {{ width = {width}, height = {height}, resize = {quoted(resize)}, filter = {quoted(filter)} }}",
    ]
    if normalize is not None:
        means, deviations = IMAGENET if normalize == "imagenet" else normalize
        lines.append(f"normalize = {{ mean = {list(map(float, means))}, std = {list(map(float, deviations))} }}")
    if labels is not None:
        (folder / "labels.txt").write_text("\n".join(" ".join(label.split()) for label in labels) + "\n", encoding="utf-8")
        lines.append('labels = "labels.txt"')
    if feature_layer is not None and feature_layer not in RESERVED:
        lines.append(f"feature_layer = {quoted(feature_layer)}")
    lines += [f"licence = {quoted(licence)}", f"source = {quoted(source)}"]
    # Last: with it the folder is a model.
    (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def quoted(text: str) -> str:
    """A TOML string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
