//! Model files that lie, through reading, the engine underneath and differentiation: each is refused with a word of why,
//! or runs; none ends the process, and none opens a file outside of its folder. The example `mutations` tries more.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::{c_library, root};
use whyglass_tests::hostile::{self, supervise, try_all};

/// How many are tried here.
const COUNT: u64 = 240;

#[test]
fn models_that_lie_are_refused_or_run_and_open_nothing_outside_of_their_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().canonicalize().unwrap().join("inner");
    std::fs::create_dir(&folder).unwrap();
    hostile::set_traps(&folder);
    let (shim, log) = (scratch.path().join("opens.so"), scratch.path().join("opens.log"));
    c_library(&root().join("tests/hostile/opens.c"), "c11", &shim);
    let child = |numbers: std::ops::Range<u64>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tries_what_it_is_told", "--ignored", "--nocapture"]);
        command.env("MUTATIONS", format!("{} {}", numbers.start, numbers.end)).env("MUTATIONS_FOLDER", &folder);
        command.env("LD_PRELOAD", &shim).env("OPENS_LOG", &log);
        command
    };
    let (mut tried, mut refused, mut words) = (0, 0, BTreeSet::new());
    supervise(0..COUNT, child, |attempt| {
        tried += 1;
        let outcome = attempt.outcome.as_deref();
        let outcome = outcome.unwrap_or_else(|| panic!("mutation {} kills: {}", attempt.number, attempt.what));
        assert!(!outcome.is_empty(), "mutation {} is refused without a word: {}", attempt.number, attempt.what);
        refused += u64::from(outcome != "ran");
        words.insert(outcome.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    });
    assert_eq!(tried, COUNT);
    assert!(refused > COUNT / 2 && refused < COUNT, "{refused} of {COUNT} are refused: {words:?}");
    let log = std::fs::read_to_string(&log).unwrap();
    let opened: Vec<&str> =
        log.lines().skip_while(|line| *line != folder.join("model.onnx").to_str().unwrap()).collect();
    assert!(opened.len() as u64 >= COUNT, "{} files were opened", opened.len());
    // What the engine looks up of the machine is no file of anybody's.
    let outside = |path: &&&str| {
        !Path::new(path).starts_with(&folder) && !path.starts_with("/sys/") && !path.starts_with("/proc/")
    };
    let outside: Vec<_> = opened.iter().filter(outside).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

/// The process that the test above watches.
#[test]
#[ignore = "run by another test"]
fn tries_what_it_is_told() {
    let Ok(numbers) = std::env::var("MUTATIONS") else { return };
    let (first, end) = numbers.split_once(' ').unwrap();
    let folder = std::env::var_os("MUTATIONS_FOLDER").unwrap();
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = Arc::new(OrtRuntime::from_library(&library).unwrap());
    try_all(&hostile::bases(), first.parse().unwrap()..end.parse().unwrap(), Path::new(&folder), &runtime);
}
