//! The last part of docs/scaling.md: what the measurements say for a service, and what of it does not scale.

use super::Scaling;
use super::estimate::{A_DAY, CORES, Estimate, PEAK, PRICE, PROCESSES, UTILISATION};
use super::numbers::{bytes, digits, time, whole};
use super::service::Service;
use super::table::table;
use crate::measure::spread;
use anyhow::Result;
use std::fmt::Write as _;

pub(super) fn write(page: &mut String, scaling: &Scaling) -> Result<()> {
    let service = &scaling.service;
    let estimate = Estimate::of(service);
    writeln!(page, "## A service of 10⁷ explanations a day\n")?;
    writeln!(
        page,
        "On paper, from what was measured here: EfficientNet-Lite0, pictures of 224×224, a mix that is an assumption, and {PEAK}× the \
         average rate at the peak. Core-seconds are the processor time of one explanation while the machine is full of them; bytes are \
         those of the numbers, float32, before any compression.\n"
    )?;
    let rows = service.works.iter().map(|work| {
        let share = work.share * work.core_seconds / estimate.core_seconds;
        vec![
            work.name.clone(),
            format!("{:.0} %", work.share * 100.0),
            time(work.alone),
            digits(work.core_seconds),
            format!("{:.0} %", share * 100.0),
            bytes(work.results),
            bytes(work.sent),
        ]
    });
    let head = ["technique", "of the mix", "alone", "core-seconds", "of the cores", "results", "sent to a watcher"];
    page.push_str(&table(&head, rows));
    writeln!(page, "\nThe mean explanation takes {} core-seconds. Then:\n", digits(estimate.core_seconds))?;
    page.push_str(&table(&["", "average", "peak"], demand(&estimate, service.picture).into_iter()));
    capacity(page, &estimate)?;
    cost(page, service, &estimate)?;
    limits(page, &estimate)
}

fn demand(estimate: &Estimate, picture: f64) -> Vec<Vec<String>> {
    let of = |name: &str, average: String, peak: String| vec![name.to_owned(), average, peak];
    let rate = |each: f64| format!("{}/s", bytes(estimate.average * each));
    let at_peak = |each: f64| format!("{}/s", bytes(estimate.peak * each));
    let cores = format!("cores at {:.0} %", UTILISATION * 100.0);
    let machines = (estimate.cores / CORES).ceil();
    vec![
        of("explanations a second", digits(estimate.average), digits(estimate.peak)),
        of(&cores, whole(estimate.cores.ceil()), whole(estimate.cores_at_peak.ceil())),
        of(&format!("machines of {CORES:.0} cores"), whole(machines), whole(estimate.machines)),
        of(&format!("pictures in ({} each)", bytes(picture)), rate(picture), at_peak(picture)),
        of("out, where only results are read", rate(estimate.results), at_peak(estimate.results)),
        of("out, where all is watched live", rate(estimate.sent), at_peak(estimate.sent)),
    ]
}

fn capacity(page: &mut String, estimate: &Estimate) -> Result<()> {
    let limits = whyglass_engine::Limits::default();
    writeln!(
        page,
        "\n**Memory.** {PROCESSES:.0} processes on a machine, each with {} slots on as many cores. A process needs {}: the program, the \
         model and its sessions, the arena at its largest, as measured with this mix, and the {} of finished runs that it may keep. That is \
         {} a machine. A model more adds its weights once, and its sessions; more threads than here add working memory of their own, so \
         take twice that until it is measured.\n",
        limits.slots,
        bytes(estimate.process),
        bytes(limits.result_bytes as f64),
        bytes(estimate.process * PROCESSES),
    )?;
    writeln!(
        page,
        "**Results.** An explanation leaves {} (a map is 224 × 224 × 4 = {} bytes), {} a day if all are stored as they are. A process \
         keeps them for {} at the average rate; what is to live longer is fetched and stored by whoever asked.\n",
        bytes(estimate.results),
        whole(224.0 * 224.0 * 4.0),
        bytes(estimate.results * A_DAY),
        time(estimate.kept),
    )?;
    writeln!(
        page,
        "**Network.** What is watched live is {} times what the results are, most of it of techniques that send their map again and again \
         while it settles. A watcher that is late skips frames and gets less; reading only results saves {} a day.\n",
        digits(estimate.sent / estimate.results),
        bytes((estimate.sent - estimate.results) * A_DAY),
    )?;
    Ok(())
}

fn cost(page: &mut String, service: &Service, estimate: &Estimate) -> Result<()> {
    let (peak, average) = (Estimate::cost(estimate.cores_at_peak), Estimate::cost(estimate.cores));
    let each = |core_seconds: f64| digits(core_seconds / 3600.0 / UTILISATION * PRICE * 1e3);
    let of_all = service.works.iter().map(|work| work.core_seconds);
    let (least, most) = spread(&of_all.collect::<Vec<_>>());
    writeln!(
        page,
        "**Cost.** Explanations a day × core-seconds ÷ 3,600 ÷ utilisation × price of a core-hour; times {PEAK} where the machines for the \
         peak run all day. With {PRICE} a core-hour, an assumption to be replaced by one's own: {} a day with machines that follow the \
         load, {} with machines for the peak. A thousand explanations cost {}; from {} where all are of the cheapest technique of the mix \
         to {} where all are of the dearest. With a share h of requests answered from the cache, it is 1 − h of that.\n",
        whole(average),
        whole(peak),
        each(estimate.core_seconds),
        each(least),
        each(most),
    )?;
    Ok(())
}

fn limits(page: &mut String, estimate: &Estimate) -> Result<()> {
    let limits = whyglass_engine::Limits::default();
    let rate = CORES / PROCESSES * UTILISATION / estimate.core_seconds;
    writeln!(page, "## What does not scale\n")?;
    writeln!(
        page,
        "A process does not share: its runs, their results and its queue are its own.\n\n\
         - **Slots.** {slots} runs compute at a time, whatever the cores; each gets a part of the threads. A machine with more cores wants \
         more processes, or `--max-runs`.\n\
         - **Queue.** {queue} runs wait; one more is refused with RESOURCE_EXHAUSTED, to be asked for again elsewhere or later. In \
         this mix the last of a full queue waits {wait}, and a process takes {rate} explanations a second: size for the peak, since a queue \
         only bridges seconds.\n\
         - **One run, one machine.** A run is never divided among processes; a sweep that is too slow is made shorter (stride, `settle`) or \
         given more cores.\n\
         - **t-SNE** is quadratic in its neighbours: 10⁵ points are minutes, 10⁶ are out of reach. A sample of a dataset says as much.\n\
         - **Results** live in memory for {age} at most, and go with the process.\n",
        slots = limits.slots,
        queue = limits.queue,
        wait = time(estimate.wait),
        rate = digits(rate),
        age = time(limits.result_age.as_secs_f64()),
    )?;
    writeln!(
        page,
        "What an operator does: several processes behind a balancer that hashes by picture, so that all that is asked of one picture comes to \
         one process. There a run that is asked for again is the same run (`--cache`): it is answered from its result, or watched while \
         it is under way, and costs nothing. Whoever watches, reads or stops a run must reach the process that has it, so the balancer \
         keeps a client where its runs are. Processes are added and drained without others noticing: nothing is shared between them \
         but the files of the models, which are read once by each."
    )?;
    Ok(())
}
