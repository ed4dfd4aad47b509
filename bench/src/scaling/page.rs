//! docs/scaling.md: the curves with their laws, and what they mean. What follows for a service has a file of its own.

use super::Scaling;
use super::curve::Curve;
use super::fit::power;
use super::numbers::{digits, law, mebibytes, time, whole};
use super::point::Sample;
use super::service_page;
use super::table::table;
use crate::measure::spread;
use anyhow::Result;
use std::fmt::Write as _;

pub(super) fn text(scaling: &Scaling) -> Result<String> {
    let mut page = String::from("<!-- Made by `cargo xtask bench scaling`. -->\n\n# How it scales\n\n");
    writeln!(
        page,
        "Measured on one machine ({}) with EfficientNet-Lite0 and, for datasets, a small net on pictures of 32×32. Each point is \
         the median of several runs in a process of its own, and its memory is the most that was resident in that process, the \
         program and the model included. A law is fitted to each curve twice, by least squares: t = a + b · n, each point by its \
         relative error, and t = a · n^b, as a line in the logarithms. R² says how much of the variation it explains. Numbers of \
         another machine differ by a factor; exponents should not. The numbers are in \
         [benchmarks/scaling.json](benchmarks/scaling.json).\n",
        scaling.machine
    )?;
    windows(&mut page, &scaling.windows, &scaling.forward)?;
    sizes(&mut page, scaling)?;
    runs(&mut page, &scaling.runs)?;
    datasets(&mut page, scaling)?;
    service_page::write(&mut page, scaling)?;
    Ok(page)
}

fn windows(page: &mut String, curve: &Curve, forward: &Curve) -> Result<()> {
    let side = super::windows::SIZE;
    heading(page, "Windows", "windows")?;
    writeln!(page, "Occlusion of a picture of 224×224, windows of {side} pixels ever closer together.\n")?;
    let rows = curve.samples.iter().map(|sample| {
        let per = sample.seconds / sample.n;
        vec![
            whole(sample.n),
            whole(sample.figure("stride")),
            time(sample.seconds),
            time(per),
            time(sample.figure("first")),
            mebibytes(sample.peak),
        ]
    });
    page.push_str(&table(&["windows", "stride", "time", "per window", "first tile", "memory"], rows));
    laws(page, curve)?;
    let (a, b) = curve.time.affine.law.coefficients();
    let range = |points: Vec<(f64, f64)>| spread(&points.into_iter().map(|point| point.1).collect::<Vec<_>>());
    let (first, memory) = (range(curve.more("first")), range(curve.peaks()));
    writeln!(
        page,
        "Linear. A window takes {}, {:.0} % of a forward pass of the whole picture, since only what it changes is computed anew. The \
         constant, {} windows' worth, is the picture's own forward pass, decoding and the start of a run: to the left of it the curve \
         is flat. The first tile does not wait for the others; it comes with the first group of windows, between {} and {}. Memory is \
         that of such a group, between {} and {} MiB, however many there are.\n",
        time(b),
        100.0 * b / forward.samples[0].seconds,
        digits((a / b).max(0.0)),
        time(first.0),
        time(first.1),
        whole(memory.0),
        whole(memory.1),
    )?;
    Ok(())
}

fn sizes(page: &mut String, scaling: &Scaling) -> Result<()> {
    heading(page, "Picture size", "size")?;
    writeln!(
        page,
        "The model alone, whose graph takes any size: the logits of one picture, the gradient of a logit with respect to the picture, \
         and a sweep of 81 windows of a fifth of the side.\n"
    )?;
    let parts = [&scaling.forward, &scaling.gradient, &scaling.sweep];
    let rows = (0..scaling.forward.samples.len()).map(|index| {
        let side = whole(scaling.forward.samples[index].figure("side"));
        let mut row = vec![format!("{side}×{side}")];
        for part in parts {
            let sample = &part.samples[index];
            row.extend([time(sample.seconds), mebibytes(sample.peak)]);
        }
        row
    });
    page.push_str(&table(&["picture", "forward", "memory", "gradient", "memory", "sweep", "memory"], rows));
    for (name, part) in ["Forward", "Gradient", "Sweep"].into_iter().zip(parts) {
        writeln!(page, "\n{name}, of n pixels:")?;
        laws(page, part)?;
    }
    let per = |curve: &Curve| curve.memory.affine.law.coefficients().1 * 1e6;
    writeln!(
        page,
        "A network of convolutions does the same at every place, so that an exponent of 1 in the number of pixels is what to expect, \
         and of 2 in the side. It is below 1 where small layers leave cores idle, and above where activations no longer fit into \
         the caches. Memory is what large pictures meet first. A gradient keeps what the forward pass has computed: {} MiB a megapixel, \
         where a forward pass has {}. A sweep has {}: a whole group of windows in each layer. Of such pictures fewer runs than slots fit \
         into a process. Windows grow with the picture here; a sweep with windows of a fixed size has as many more of them, too.\n",
        whole(per(&scaling.gradient)),
        whole(per(&scaling.forward)),
        whole(per(&scaling.sweep)),
    )?;
    Ok(())
}

fn runs(page: &mut String, curve: &Curve) -> Result<()> {
    let limits = whyglass_engine::Limits::default();
    heading(page, "Runs at once", "runs")?;
    writeln!(page, "Sweeps of 100 windows (45/22) that one request asks for together.\n")?;
    let rows = curve.samples.iter().map(|sample| {
        let (shortest, longest) = (sample.figure("shortest"), sample.figure("longest"));
        vec![
            whole(sample.n),
            time(sample.seconds),
            time(sample.seconds / sample.n),
            time(shortest),
            time(longest),
            mebibytes(sample.peak),
        ]
    });
    let head = ["runs", "until the last has ended", "per run", "shortest, from its slot on", "longest", "memory"];
    page.push_str(&table(&head, rows));
    laws(page, curve)?;
    let (first, last) = ends(curve);
    let full = curve.samples.iter().find(|sample| sample.n >= limits.slots as f64).unwrap_or(last);
    writeln!(
        page,
        "Linear: cores are shared, not multiplied. {} runs at once take {:.2} of what they would one after the other. Only {} compute at \
         a time, the others wait for a slot; so a run takes longer up to there ({} at {} runs) and no longer beyond, and memory goes \
         from {} MiB for one run to {} with all slots busy, and to {} with {} runs, whose results are kept.\n",
        whole(last.n),
        last.seconds / last.n / first.seconds,
        limits.slots,
        time(full.figure("longest")),
        whole(full.n),
        whole(first.peak),
        whole(full.peak),
        whole(last.peak),
        whole(last.n),
    )?;
    Ok(())
}

fn datasets(page: &mut String, scaling: &Scaling) -> Result<()> {
    let (confusion, tsne) = (&scaling.confusion, &scaling.tsne);
    heading(page, "Datasets", "dataset")?;
    writeln!(
        page,
        "Pictures of 32×32, the digits moved and dimmed, and a net of 25,000 weights: `confusion-matrix`.\n"
    )?;
    let rows = confusion.samples.iter().map(|sample| {
        vec![whole(sample.n), time(sample.seconds), whole((sample.n / sample.seconds).round()), mebibytes(sample.peak)]
    });
    page.push_str(&table(&["pictures", "time", "pictures a second", "memory"], rows));
    laws(page, confusion)?;
    writeln!(
        page,
        "Linear: pictures are read, decoded and classified batch by batch, the next batch while this one is computed, and only names \
         and answers are kept. With a net this small it is reading and decoding that is measured; EfficientNet-Lite0 takes {} a picture \
         instead. Above some ten thousands the names of the pictures no longer fit into an event and are left out, with a notice.\n",
        time(scaling.forward.samples[0].seconds),
    )?;
    writeln!(page, "`tsne` of the same pictures, 1,000 iterations at perplexity 30:\n")?;
    let rows = tsne.samples.iter().map(|sample| {
        let reckoned = if sample.figure("iterations") < 1000.0 { " (reckoned)" } else { "" };
        let (before, iteration) = (sample.figure("before"), sample.figure("iteration"));
        vec![
            whole(sample.n),
            format!("{}{reckoned}", time(sample.seconds)),
            time(before),
            time(iteration),
            mebibytes(sample.peak),
        ]
    });
    page.push_str(&table(&["points", "time", "before the descent", "an iteration", "memory"], rows));
    laws(page, tsne)?;
    writeln!(page, "- {}, an iteration\n", law("t", power(&tsne.more("iteration")), time))?;
    writeln!(
        page,
        "Up to 8,000 points an iteration looks at all pairs, so that its exponent goes towards 2; above, a tree stands for what is far, \
         and it goes back to little more than 1. The neighbours before the descent are exact at every size, and quadratic: at 10⁵ they \
         are the larger concern. Where the table says *reckoned*, 40 iterations were timed and 1,000 of them reckoned. Memory is that of \
         3 × perplexity neighbours for each point.\n"
    )?;
    Ok(())
}

fn heading(page: &mut String, title: &str, drawing: &str) -> Result<()> {
    writeln!(page, "## {title}\n\n![{title}: time and memory](benchmarks/scaling-{drawing}.svg)\n")?;
    Ok(())
}

/// What fits a curve, as a list.
fn laws(page: &mut String, curve: &Curve) -> Result<()> {
    let lines = [
        law("t", curve.time.affine, time),
        law("t", curve.time.power, time),
        law("memory", curve.memory.affine, mebibytes),
    ];
    writeln!(page)?;
    lines.iter().try_for_each(|line| writeln!(page, "- {line}"))?;
    writeln!(page)?;
    Ok(())
}

fn ends(curve: &Curve) -> (&Sample, &Sample) {
    (&curve.samples[0], &curve.samples[curve.samples.len() - 1])
}
