//! Both back ends in one process, in parallel, for as long as one likes: `cargo run --package whyglass-tests --example
//! side_by_side -- 600`, after `cargo xtask build --debug`. Each answer is compared with the first one; resident memory is
//! printed as it goes.

#![allow(clippy::unwrap_used, reason = "what cannot go on has failed")]

use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use whyglass_engine::RunState;
use whyglass_tests::staged::{engine, follow, plugins, spec};
use whyglass_tests::tiny;

const TORCHSCRIPT: &str = "tiny-torchscript";

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(60);
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path());
    tiny::write_torchscript(folder.path(), TORCHSCRIPT);
    let engine = engine(&[&plugins()], folder.path());
    let map = |model: &str, technique: &str| {
        let (run, end) = follow(&engine, spec(technique, model, tiny::SIDE, json!({})), |_| ());
        assert_eq!(end.state, RunState::Succeeded, "{technique} on {model}: {:?}", end.status);
        engine.artifact(&run, "map").unwrap().tensor.data
    };
    let (done, start) = (AtomicU64::new(0), Instant::now());
    let over = || start.elapsed() > Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for model in [tiny::NAME, TORCHSCRIPT, tiny::NAME, TORCHSCRIPT] {
            let (map, done) = (&map, &done);
            scope.spawn(move || {
                let techniques = ["saliency", "grad-cam", "occlusion"];
                let wanted = techniques.map(|technique| map(model, technique));
                while !over() {
                    for (technique, wanted) in techniques.iter().zip(&wanted) {
                        assert_eq!(map(model, technique), *wanted, "{technique} on {model} is another");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut told = 0;
        while !over() {
            std::thread::sleep(Duration::from_millis(200));
            let count = done.load(Ordering::Relaxed);
            if count >= told + 1000 {
                told = count / 1000 * 1000;
                println!("{:5.0} s, {told} explanations, {} MiB", start.elapsed().as_secs_f64(), resident() / 1024);
            }
        }
    });
    let count = done.load(Ordering::Relaxed);
    println!("{count} explanations in {seconds} s, all alike, {} MiB", resident() / 1024);
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
