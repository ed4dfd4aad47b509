"""A peer in a process of its own: a network in PyTorch, explained by the peers' packages; one line of JSON in, one line out.

    {"op": "load", "network": "resnet50", "image": "tests/golden/chelsea-224.png", "onnx": "model.onnx", "threads": 2, "channels_last": true}
    {"op": "forward", "batch": 32}
    {"op": "gradient", "batch": 1}
    {"op": "occlusion", "size": 45, "stride": 22, "perturbations_per_eval": 16}
    {"op": "integrated-gradients", "steps": 50, "at_once": 5}
    {"op": "smooth-grad", "samples": 50, "at_once": 5, "deviation": 0.15, "seed": 1}
    {"op": "mean-gradient", "pictures": "samples.npy"}
    {"op": "grad-cam", "from_layer": true}
    {"op": "deep-dream", "channel": 0, "iterations": 20, "step": 0.01}
    {"op": "lime", "segments": "segments.npy", "samples": 1000, "grey": 0.498, "runtime": "torch"}
    {"op": "lime", "segments": "segments.npy", "pixels": "picture.npy", "target": 7, "counts": [101, 201], "runtime": "onnxruntime"}
    {"op": "export", "path": "model.pt"}
    {"op": "quit"}

`load` writes the network as ONNX where it is told a path, for the other side. Each other answer is {"seconds": …} around the
work alone, or {"error": …}. With "save": PATH.npy the answer itself is kept (logits N×1000, gradients and dreams N×3×224×224 or
3×224×224, occlusion map 224×224, Grad-CAM on the layer's grid, LIME's weights per segment; float32), so that both sides can be
shown to compute the same thing. The caller interleaves the two sides; nothing here repeats or averages.

With --plain the process keeps its allocator as it is, as people run it who do not know better.
"""

import ctypes
import functools
import importlib.metadata
import json
import os
import pathlib
import sys
import time

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_memory() -> bool:
    """Stops glibc from giving large blocks back after each operator: the peer at its best. False where there is no glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30) and mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))


KEPT = "--plain" not in sys.argv and keep_memory()

import numpy as np  # noqa: E402  (after the allocator is set)
import torch  # noqa: E402
from captum.attr import Occlusion  # noqa: E402
from PIL import Image  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "efficientnet-lite0" / "model.onnx"

import averages  # noqa: E402
import cam  # noqa: E402
import dream  # noqa: E402
import networks  # noqa: E402

PACKAGES = ("torch", "torchvision", "captum", "grad-cam", "torch-lucent", "lime", "onnxruntime")


class Peer:
    def load(self, image, network=networks.LITE0, onnx=None, threads=2, channels_last=True):
        torch.set_num_threads(threads)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        pixels = np.asarray(Image.open(image).convert("RGB"), dtype=np.float32) / np.float32(255)
        if pixels.shape != (224, 224, 3):
            raise ValueError(f"{image}: 224×224 pixels are wanted, these are {pixels.shape[1]}×{pixels.shape[0]}")
        self.image = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
        self.network, self.model = network, networks.load(network, self.image)
        if onnx is not None:
            networks.export(self.model, self.image, onnx)
        self.model = self.model.to(memory_format=layout)
        self.image = self.image.contiguous(memory_format=layout)
        with torch.no_grad():
            scores = self.model(self.image)[0]
        self.target = int(scores.argmax())
        versions = {name: importlib.metadata.version(name) for name in PACKAGES}
        probability = float(scores.softmax(0)[self.target])
        return {"target": self.target, "probability": probability, "versions": versions, "malloc_raised": KEPT, "pid": os.getpid()}

    def forward(self, batch=1):
        images = self.batch(batch)
        with torch.no_grad():
            return timed(lambda: self.model(images))

    def gradient(self, batch=1):
        images = self.batch(batch)

        def work():
            leaf = images.detach().requires_grad_()
            return torch.autograd.grad(self.model(leaf)[:, self.target].sum(), leaf)[0]

        return timed(work)

    def occlusion(self, size=45, stride=22, perturbations_per_eval=16):
        method = Occlusion(self.model)
        options = {"sliding_window_shapes": (3, size, size), "strides": (3, stride, stride), "baselines": 0}
        with torch.no_grad():
            return timed(
                lambda: method.attribute(
                    self.image, target=self.target, perturbations_per_eval=perturbations_per_eval, **options
                )[0, 0]
            )

    def integrated_gradients(self, steps=50, at_once=5):
        return timed(lambda: averages.integrated_gradients(self.model, self.image, self.target, steps, at_once))

    def smooth_grad(self, deviation, samples=50, at_once=5, seed=0):
        return timed(lambda: averages.smooth_grad(self.model, self.image, self.target, samples, at_once, deviation, seed))

    def mean_gradient(self, pictures):
        pictures = torch.from_numpy(np.load(pictures))
        return timed(lambda: averages.mean_gradient(self.model, pictures, self.target))

    def grad_cam(self, from_layer=False):
        layer = self.model.get_submodule(networks.FEATURES[self.network])
        with cam.prepared(self.model, layer, self.image, self.target, from_layer) as (work, on_grid):
            reply = timed(work)
            return reply | {"answer": on_grid()}

    def deep_dream(self, channel, iterations=20, step=0.01):
        layer = networks.DREAMING[self.network]
        return timed(lambda: dream.dream(self.model, layer, self.image, channel, iterations, step))

    def lime(self, segments, samples=1000, counts=None, pixels=None, target=None, grey=0.0, seed=0, runtime="torch"):
        import lime_weights

        image = self.image[0].numpy() if pixels is None else np.load(pixels)
        image = np.ascontiguousarray(image.transpose(1, 2, 0)).astype(np.float64)
        segments = np.load(segments).astype(np.int64)
        target = self.target if target is None else target
        classifier = {"torch": self.classify, "onnxruntime": self.session()}[runtime]
        if counts is None:
            return timed(lambda: torch.from_numpy(lime_weights.explain(image, segments, classifier, target, samples, grey, seed)))
        return timed(lambda: torch.from_numpy(lime_weights.of_samples(image, segments, classifier, target, counts, grey, seed)))

    def classify(self, pictures):
        """N×H×W×3 to probabilities, as the lime package asks."""
        with torch.no_grad():
            pixels = torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32))
            return self.model(pixels).softmax(1).numpy()

    @functools.cache
    def session(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(MODEL), options, ["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def classify(pictures):
            pixels = ((pictures * 255 - 127) / 128).astype(np.float32).transpose(0, 3, 1, 2)
            scores = session.run(None, {name: np.ascontiguousarray(pixels)})[0]
            scores = np.exp(scores - scores.max(1, keepdims=True))
            return scores / scores.sum(1, keepdims=True)

        return classify

    def export(self, path):
        """The network as TorchScript, as it is here: with the memory layout of its weights."""
        torch.jit.trace(self.model, self.image).save(path)
        return {}

    def batch(self, count):
        """`count` copies in the model's own memory layout (`expand` alone would leave strides of zero)."""
        return torch.cat([self.image] * count)


def timed(work):
    start = time.perf_counter()
    answer = work()
    return {"seconds": time.perf_counter() - start, "answer": answer}


def main() -> None:
    peer = Peer()
    names = ("load", "forward", "gradient", "occlusion", "integrated-gradients", "smooth-grad", "mean-gradient", "grad-cam",
             "deep-dream", "lime", "export")
    operations = {name: getattr(peer, name.replace("-", "_")) for name in names}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            operation, save = request.pop("op"), request.pop("save", None)
            if operation == "quit":
                return
            if operation not in operations:
                raise ValueError(f"op {operation!r} is none of {', '.join(operations)}, quit")
            reply = operations[operation](**request)
            answer = reply.pop("answer", None)
            if save is not None and answer is not None:
                np.save(save, answer.detach().contiguous().numpy().astype(np.float32))
        except Exception as error:  # the caller decides what a failure means
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
