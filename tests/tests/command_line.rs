//! The command line as a shell has it: its output goes into pipes whose other end may be closed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Stdio};
use whyglass_tests::staged::{binary, plugins};

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(binary())
        .args(["techniques", "--plugins"])
        .arg(plugins())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "", "nothing went wrong that anybody has to hear of");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure_that_is_told_once() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(binary()).args(["techniques", "--plugins"]).arg(plugins()).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: standard output: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn the_plan_of_a_sweep_is_told_or_why_there_is_none() {
    let models = whyglass_tests::build::root().join("tests/models");
    let plan = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["layers", "digits-honest", "--plugins"]).arg(plugins()).arg("--models").arg(&models);
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (done, told, _) = plan(&["--plan=3/1"]);
    assert!(done && told.contains("windows of ") && told.contains("the rest whole; "), "{told}");
    let (done, told, _) = plan(&["--plan=28/14"]);
    assert!(done && told.starts_with("every window is computed whole: "), "{told}");
    for (wrong, what) in [("45/22", "window"), ("3/4", "stride"), ("three", "45/22")] {
        let (done, _, said) = plan(&[&format!("--plan={wrong}")]);
        assert!(!done && said.contains(what), "{wrong}: {said}");
    }
}
