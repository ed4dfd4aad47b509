//! Tries mutations of small models, each process until one kills it, and reports: `mutations [FIRST] [END]`, 0 to 5,000 if
//! nothing is said. See `tests/src/hostile.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::hostile::{self, supervise, try_all};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, first, end, folder] = &arguments[..]
        && child == "child"
    {
        let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
        let runtime = Arc::new(OrtRuntime::from_library(&library)?);
        try_all(&hostile::bases(), first.parse()?..end.parse()?, Path::new(folder), &runtime);
        return Ok(());
    }
    let number = |index: usize, default| arguments.get(index).map_or(Ok(default), |text| text.parse::<u64>());
    let numbers = number(0, 0)?..number(1, 5_000)?;
    let scratch = std::env::temp_dir().join(format!("mutations-{}", std::process::id()));
    let folder = scratch.join("inner");
    std::fs::create_dir_all(&folder)?;
    hostile::set_traps(&folder);
    let program = std::env::current_exe()?;
    let child = |numbers: std::ops::Range<u64>| {
        let mut command = Command::new(&program);
        command.args(["child", &numbers.start.to_string(), &numbers.end.to_string()]).arg(&folder);
        command
    };
    let (mut ran, mut refused, mut killed, mut slow) = (0, 0, 0, 0);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    supervise(numbers, child, |attempt| {
        match attempt.outcome.as_deref() {
            None => {
                killed += 1;
                println!("KILLED by {}: {}", attempt.number, attempt.what);
            }
            Some("ran") => ran += 1,
            Some(error) => {
                refused += 1;
                *reasons.entry(error.chars().take_while(|c| *c != ':').collect()).or_default() += 1;
            }
        }
        if attempt.outcome.is_some() && attempt.milliseconds > 1_000 {
            slow += 1;
            println!("SLOW {}: {} ms, {}: {:?}", attempt.number, attempt.milliseconds, attempt.what, attempt.outcome);
        }
    });
    println!("{ran} ran, {refused} refused, {killed} killed the process, {slow} took more than a second");
    for (reason, count) in reasons {
        println!("{count:6} {reason}");
    }
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
