"""t-SNE side by side: ours, openTSNE, scikit-learn and linfa-tsne on the same points, by one evaluator, interleaved.

    cargo build --release --package whyglass-dataset --examples
    python bench/tsne/compare.py --embed target/release/examples/embed [--linfa target/release/examples/linfa] [--points 2000]

Each runs 250 iterations with exaggeration 12 and 750 without, perplexity 30, two threads, from the principal components.
The divergence is computed here for everyone: float64, P symmetrised from 90 exact neighbours, Q over all pairs. What the
libraries report of themselves is not comparable. Versions: requirements.txt.
"""

import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import openTSNE
import sklearn
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

PERPLEXITY = 30
THREADS = 2


def mixture(count, width=50, clusters=20):
    """Clusters of different sizes and widths that overlap: neither noise nor trivial."""
    rng = np.random.default_rng(7)
    centres = rng.normal(0, 2.0, (clusters, width))
    which = rng.choice(clusters, count, p=rng.dirichlet(np.full(clusters, 3.0)))
    widths = rng.uniform(0.6, 1.6, clusters)
    spectrum = np.exp(-np.arange(width) / 15)
    return ((centres[which] + rng.normal(size=(count, width)) * widths[which][:, None]) * spectrum).astype(np.float32)


def affinities(points):
    each = 3 * PERPLEXITY
    distance, index = NearestNeighbors(n_neighbors=each + 1).fit(points.astype(np.float64)).kneighbors()
    squared = distance[:, :each] ** 2
    squared -= squared.min(1, keepdims=True)
    low, high, beta = np.zeros(len(points)), np.full(len(points), np.inf), np.ones(len(points))
    for _ in range(200):
        p = np.exp(-beta[:, None] * squared)
        total = p.sum(1)
        entropy = np.log(total) + beta * (p * squared).sum(1) / total
        wide = entropy > np.log(PERPLEXITY)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    p = p / p.sum(1, keepdims=True)
    full = np.zeros((len(points), len(points)))
    np.put_along_axis(full, index[:, :each], p, 1)
    return (full + full.T) / (2 * len(points))


def divergence(p, embedding):
    embedding = embedding.astype(np.float64)
    norms = (embedding**2).sum(1)
    squared = np.maximum(norms[:, None] + norms[None] - 2 * embedding @ embedding.T, 0)
    q = 1 / (1 + squared)
    np.fill_diagonal(q, 0)
    q /= q.sum()
    pairs = p > 0
    return float((p[pairs] * np.log(p[pairs] / q[pairs])).sum())


def timed(work):
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def with_opentsne(points, seed):
    start = openTSNE.initialization.pca(points, random_state=seed)
    tsne = openTSNE.TSNE(
        perplexity=PERPLEXITY, early_exaggeration=12, early_exaggeration_iter=250, n_iter=750, initialization=start,
        n_jobs=THREADS, random_state=seed,
    )
    return np.asarray(tsne.fit(points))


def with_sklearn(points, seed):
    return TSNE(perplexity=PERPLEXITY, init="pca", max_iter=1000, random_state=seed, n_jobs=THREADS).fit_transform(points)


def with_binary(binary, points, seed):
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/points.npy", f"{folder}/out.npy"
        np.save(source, points)
        said = subprocess.run([binary, source, target, str(seed), "1000", str(THREADS)], check=True, capture_output=True, text=True)
        seconds = float(said.stdout.split()[0])
        return seconds, np.load(target), said.stdout.split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--embed", type=pathlib.Path, required=True)
    parser.add_argument("--linfa", type=pathlib.Path)
    parser.add_argument("--points", type=int, nargs="+", default=[2000, 5000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sklearn-seeds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"openTSNE {openTSNE.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, {THREADS} threads")
    for count in arguments.points:
        points = mixture(count)
        p = affinities(points)
        found = {}
        for position, seed in enumerate(arguments.seeds):
            seconds, embedding, said = with_binary(arguments.embed, points, seed)
            found.setdefault("ours", []).append((seconds, divergence(p, embedding)))
            print(f"  seed {seed}: ours {seconds:.2f} s, first points after {said[2]} s, own divergence {said[1]}", flush=True)
            found.setdefault("openTSNE", []).append((lambda t: (t[0], divergence(p, t[1])))(timed(lambda: with_opentsne(points, seed))))
            if position < arguments.sklearn_seeds:
                taken, embedding = timed(lambda: with_sklearn(points, seed))
                found.setdefault("scikit-learn", []).append((taken, divergence(p, embedding)))
                if arguments.linfa:
                    taken, embedding, _ = with_binary(arguments.linfa, points, seed)
                    found.setdefault("linfa-tsne", []).append((taken, divergence(p, embedding)))
        ours = [statistics.median(column) for column in zip(*found["ours"])]
        print(f"| {count}×50 | seconds | divergence | time of ours | divergence over ours |\n|---|---|---|---|---|")
        for name, runs in found.items():
            seconds, kl = (statistics.median(column) for column in zip(*runs))
            print(f"| {name} ({len(runs)}) | {seconds:.2f} | {kl:.4f} | ×{seconds / ours[0]:.2f} | ×{kl / ours[1]:.4f} |", flush=True)


if __name__ == "__main__":
    main()
