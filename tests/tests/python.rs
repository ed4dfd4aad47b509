//! A server as a stranger meets it: a process of its own, driven from Python by grpcio and reflection alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use whyglass_tests::build::root;
use whyglass_tests::staged::{binary, models, plugins};

#[test]
fn a_python_client_with_nothing_but_reflection_explains_stops_pauses_and_resumes() {
    let python = root().join("third_party/python/client/bin/python");
    assert!(python.exists(), "{} is missing: run `cargo xtask test`, which sets it up", python.display());
    let mut server = Command::new(binary())
        // The script explains the same again and again, and wants a run to stop, one to pause, one to resume: none is shared.
        .args(["serve", "--listen", "127.0.0.1:0", "--cache", "0", "--models"])
        .arg(models())
        .arg("--plugins")
        .arg(plugins())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap().to_owned();
    let script = Command::new(python)
        .arg(root().join("tests/python/by_reflection.py"))
        .arg(address)
        .arg("efficientnet-lite0")
        .arg(root().join("third_party/pictures/chelsea.png"))
        .output();
    server.kill().unwrap();
    server.wait().unwrap();
    let script = script.unwrap();
    let text = String::from_utf8_lossy(&script.stdout);
    assert!(script.status.success(), "{text}\n{}", String::from_utf8_lossy(&script.stderr));
    assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), 6, "{text}");
}
