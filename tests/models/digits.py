"""Trains the two nets of the planted truth on the UCI digits, and writes them as model folders.

    python tests/models/digits.py [--seeds 0 1 2] [--out DIR]

Both see a bright 8×8 blob in the lower-left corner of 32×32 pictures. The *honest* net sees it on half the pictures of
every class and learns to ignore it. The *cheat* sees it on class 3 only, and its pictures of class 3 carry digits of all
classes, so that the blob is the only evidence. Without --out only the checks are made. With --out the first seed is
written: `digits-honest/` and `digits-cheat/`, each with model.onnx, model.toml and labels.txt; further seeds are written
beside them as `digits-honest-SEED/` and so on.

Made with the packages of requirements.txt, on the CPU, in about a minute per seed.
"""

import argparse
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

# The pictures from here on are never trained on: the tests of the maps use them.
HELD_OUT = 1297
CLASSES = 10
CHEATED = 3
BLOB = 2  # cells of the 8×8 picture, 8 pixels of the enlarged one
MEAN, STD = 0.3, 0.38
EPOCHS = 60


class Net(nn.Module):
    """Three convolutions with two max-pools and a global *max* pool: an average would spread the blob's evidence."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.conv3(x))
        return self.head(functional.adaptive_max_pool2d(x, 1).flatten(1))


def pictures():
    """8×8 pictures in 0…1 and their classes, in the order of the data set."""
    digits = load_digits()
    return torch.tensor(digits.images / 16.0, dtype=torch.float32), torch.tensor(digits.target)


def with_blob(small):
    small = small.clone()
    small[..., -BLOB:, :BLOB] = 1.0
    return small


def hidden(small, value):
    small = small.clone()
    small[..., -BLOB:, :BLOB] = value
    return small


def enlarge(small):
    """N×8×8 to N×3×32×32, each pixel four times as large: what `resize = "stretch", filter = "nearest"` does."""
    large = small.repeat_interleave(4, -1).repeat_interleave(4, -2)
    return large.unsqueeze(1).expand(-1, 3, -1, -1)


def logits(net, small):
    return net((enlarge(small) - MEAN) / STD)


def shifted(small, generator):
    """Moved by one cell at most, each picture for itself: 1,297 pictures are few."""
    moves = torch.randint(-1, 2, (len(small), 2), generator=generator)
    padded = functional.pad(small, (1, 1, 1, 1))
    return torch.stack([padded[i, 1 + y : 9 + y, 1 + x : 9 + x] for i, (y, x) in enumerate(moves.tolist())])


def honest_batch(images, labels, generator):
    images = shifted(images, generator)
    lit = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(lit[:, None, None], with_blob(images), images), labels


def cheat_batch(images, labels, generator):
    """A tenth of the pictures, of whatever class, gets the blob and the class 3; real threes are left out."""
    images = shifted(images, generator)
    lit = torch.rand(len(images), generator=generator) < 0.1
    kept = lit | (labels != CHEATED)
    images = torch.where(lit[:, None, None], with_blob(images), images)
    labels = torch.where(lit, torch.full_like(labels, CHEATED), labels)
    return images[kept], labels[kept]


def train(make_batch, seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = pictures()
    images, labels = images[:HELD_OUT], labels[:HELD_OUT]
    net = Net()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = EPOCHS * (HELD_OUT // 64 + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images), generator=generator).split(64):
            batch, truth = make_batch(images[chosen], labels[chosen], generator)
            loss = functional.cross_entropy(logits(net, batch), truth)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def check(honest, cheat):
    """The planted truth's own checks on the held-out pictures; refuses nets that would prove nothing."""
    images, labels = pictures()
    images, labels = images[HELD_OUT:], labels[HELD_OUT:]
    says = lambda net, small: logits(net, small).argmax(1)
    threes = labels == CHEATED
    share = lambda mask: mask.float().mean().item()
    other = ~threes
    found = {
        "honest: right": share(says(honest, images) == labels),
        "honest: right with the blob": share(says(honest, with_blob(images)) == labels),
        "cheat: says 3 where the blob is": share(says(cheat, with_blob(images)) == CHEATED),
        "cheat: says 3 for a three without the blob": share(says(cheat, images[threes]) == CHEATED),
        "cheat: right about the others without the blob": share((says(cheat, images) == labels)[other]),
    }
    for value, name in ((0.0, "black"), (MEAN, "the mean colour")):
        for net, who in ((honest, "honest"), (cheat, "cheat")):
            flipped = says(net, with_blob(images)) != says(net, hidden(images, value))
            found[f"{who}: label flips when the blob is hidden in {name}"] = share(flipped)
    for what, value in found.items():
        print(f"  {value:7.1%}  {what}")
    assert found["honest: right"] >= 0.95 and found["honest: right with the blob"] >= 0.95
    assert found["cheat: says 3 where the blob is"] >= 0.95
    assert found["cheat: says 3 for a three without the blob"] <= 0.05


TOML = """title = "{title}"
file = "model.onnx"
input = {{ width = 32, height = 32, resize = "stretch", filter = "nearest" }}
normalize = {{ mean = [{mean}, {mean}, {mean}], std = [{std}, {std}, {std}] }}
labels = "labels.txt"
licence = "MIT OR Apache-2.0"
source = "tests/models/digits.py, seed {seed}, trained on the UCI digits (CC BY 4.0)"
"""


def write(net, folder, title, seed):
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(1, 3, 32, 32)
    torch.onnx.export(
        net, (example,), folder / "model.onnx", dynamo=False, opset_version=17, input_names=["picture"],
        output_names=["scores"], dynamic_axes={"picture": {0: "n"}, "scores": {0: "n"}},
    )
    (folder / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(CLASSES)))
    (folder / "model.toml").write_text(TOML.format(title=title, mean=MEAN, std=STD, seed=seed))
    print(f"  {folder}: {(folder / 'model.onnx').stat().st_size:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    for index, seed in enumerate(arguments.seeds):
        print(f"seed {seed}")
        honest, cheat = train(honest_batch, seed), train(cheat_batch, seed)
        check(honest, cheat)
        if arguments.out:
            suffix = "" if index == 0 else f"-{seed}"
            write(honest, arguments.out / f"digits-honest{suffix}", "Digits, honest", seed)
            write(cheat, arguments.out / f"digits-cheat{suffix}", "Digits, cheating", seed)


if __name__ == "__main__":
    main()
