"""The networks as both of PyTorch's exporters write them, each with a batch of one and with an open one."""

import contextlib
import io
import logging
import pathlib
import warnings

import torch

import zoo

NAMES = {"input_names": ["image"], "output_names": ["scores"]}


def example(network: zoo.Network, rows: int) -> torch.Tensor:
    shape = (3, network.size, network.size)
    return torch.zeros(rows, *((shape[1], shape[2], 3) if network.channels_last else shape))


def torchscript(network: zoo.Network, path: pathlib.Path, dynamic: bool) -> None:
    axes = {"image": {0: "batch"}, "scores": {0: "batch"}} if dynamic else None
    torch.onnx.export(network.module, (example(network, 1),), path, dynamo=False, opset_version=17, dynamic_axes=axes, **NAMES)


def dynamo(network: zoo.Network, path: pathlib.Path, dynamic: bool) -> None:
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    options = {"external_data": False, "verbose": False}
    torch.onnx.export(network.module, (example(network, 2 if dynamic else 1),), path, dynamo=True, dynamic_shapes=shapes, **options, **NAMES)


VARIANTS = {
    "torchscript-static": lambda network, path: torchscript(network, path, False),
    "torchscript-dynamic": lambda network, path: torchscript(network, path, True),
    "dynamo-static": lambda network, path: dynamo(network, path, False),
    "dynamo-dynamic": lambda network, path: dynamo(network, path, True),
}


def export(network: zoo.Network, variant: str, path: pathlib.Path) -> None:
    """Writes `path`. What exporters have to say is kept from the screen."""
    if network.channels_last:
        network.module.softmax = True
    logging.disable(logging.WARNING)
    # The fused attention of torch's own encoder is one operator that the TorchScript-based exporter cannot write.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            VARIANTS[variant](network, path)
    finally:
        logging.disable(logging.NOTSET)
        torch.backends.mha.set_fastpath_enabled(True)
        if network.channels_last:
            network.module.softmax = False
