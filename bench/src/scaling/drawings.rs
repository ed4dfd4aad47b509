//! The drawings of the page: for each curve time on the left, memory on the right.

use super::Scaling;
use super::chart::{Chart, Panel, Series};
use super::curve::Curve;
use super::fit::{Law, power};

/// Which of the two laws is drawn: the one that the page reads.
#[derive(Clone, Copy)]
enum By {
    Power,
    Affine,
}

/// With their names.
pub(super) fn all(scaling: &Scaling) -> [(&'static str, Chart); 4] {
    let Scaling { windows, forward, gradient, sweep, runs, confusion, tsne, .. } = scaling;
    let sizes = [("sweep", sweep), ("input gradient", gradient), ("forward", forward)];
    let chart = |title: &str, panels| Chart { title: title.into(), panels };
    let datasets = [
        panel("pictures", "seconds", vec![seconds("confusion-matrix", confusion, By::Affine)]),
        panel("points", "seconds", vec![seconds("t-SNE, 1,000 iterations", tsne, By::Power), iteration(tsne)]),
        panel(
            "pictures",
            MEMORY,
            vec![peak("confusion-matrix", confusion, By::Affine), peak("t-SNE", tsne, By::Affine)],
        ),
    ];
    [
        (
            "windows",
            chart(
                "Occlusion by the number of windows",
                vec![
                    panel(
                        "windows of 45 pixels",
                        "seconds",
                        vec![seconds("whole sweep", windows, By::Affine), first(windows)],
                    ),
                    panel("windows of 45 pixels", MEMORY, vec![peak("sweep", windows, By::Affine)]),
                ],
            ),
        ),
        (
            "size",
            chart(
                "By the size of the picture",
                vec![
                    panel("pixels", "seconds", sizes.map(|(name, curve)| seconds(name, curve, By::Power)).into()),
                    panel("pixels", MEMORY, sizes.map(|(name, curve)| peak(name, curve, By::Affine)).into()),
                ],
            ),
        ),
        (
            "runs",
            chart(
                "Sweeps of 100 windows at once",
                vec![
                    panel("runs at once", "seconds until the last has ended", vec![seconds("all", runs, By::Affine)]),
                    panel("runs at once", MEMORY, vec![peak("process", runs, By::Affine)]),
                ],
            ),
        ),
        ("dataset", chart("By the number of pictures of 32×32", datasets.into())),
    ]
}

const MEMORY: &str = "peak resident memory (MiB)";

fn panel(across: &str, up: &str, series: Vec<Series>) -> Panel {
    Panel { across: across.into(), up: up.into(), series }
}

fn seconds(label: &str, curve: &Curve, by: By) -> Series {
    let law = match by {
        By::Power => curve.time.power.law,
        By::Affine => curve.time.affine.law,
    };
    Series { label: label.into(), points: curve.seconds(), law }
}

fn peak(label: &str, curve: &Curve, by: By) -> Series {
    let law = match by {
        By::Power => curve.memory.power.law,
        By::Affine => curve.memory.affine.law,
    };
    Series { label: label.into(), points: curve.peaks(), law }
}

fn first(windows: &Curve) -> Series {
    by_power("first tile", windows.more("first"))
}

fn iteration(tsne: &Curve) -> Series {
    by_power("t-SNE, an iteration", tsne.more("iteration"))
}

fn by_power(label: &str, points: Vec<(f64, f64)>) -> Series {
    let law: Law = power(&points).law;
    Series { label: label.into(), points, law }
}
