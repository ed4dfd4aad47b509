//! Has four clients make one set of calls of real servers, and compares what they got: results, codes and details. Which
//! calls, and how each client makes them, is said in clients/conformance.

use crate::dashboard;
use crate::demo::Server;
use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::{Workspace, run};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Tokens of the server that asks for them; it lives for a minute and on this machine only.
const VIEWER: &str = "conformance-viewer";
const ADMIN: &str = "conformance-admin";

/// Parts of answers that differ from call to call.
const VOLATILE: [&str; 12] = [
    "elapsed",
    "startTime",
    "createTime",
    "expireTime",
    "manifest",
    "remaining",
    "sequence",
    "lastSequence",
    "progress",
    "framesSkipped",
    "instanceId",
    "nextPageToken",
];

pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    setup::all(workspace)?;
    let python = setup::python_package(workspace)?;
    dashboard::prepare(workspace)?;
    dashboard::generate(workspace)?;
    let Some(chromium) = dashboard::chromium() else { bail!("Chromium is one of the clients: install it") };
    run(dashboard::npm(workspace).args(["run", "--silent", "build", "--workspace=whyglass-conformance"]))?;
    let staged = stage::build(workspace, Profile::Debug, &Torch::AsStaged)?;
    let folder = workspace.root.join("clients/conformance");
    let (calls, places) = (folder.join("calls.json"), folder.join("dist/places.json"));

    let (open, open_address) = Server::start(&staged.binary, &flags(workspace)?)?;
    let mut guarded_flags = flags(workspace)?;
    for flag in ["--viewer-token", VIEWER, "--admin-token", ADMIN] {
        guarded_flags.push(flag.into());
    }
    let (guarded, guarded_address) = Server::start(&staged.binary, &guarded_flags)?;
    let plain = |address: &str| address.trim_start_matches("http://").to_owned();
    let tokens = json!({ "viewer": VIEWER, "admin": ADMIN, "wrong": "none-of-this-server" });
    let known = json!({ "open": plain(&open_address), "guarded": plain(&guarded_address), "tokens": tokens });
    fs::write(&places, known.to_string())?;

    let driver = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(&folder).args(arguments).arg(&calls).arg(&places).env("CHROMIUM", &chromium);
        command
    };
    // Built with everything else: asked for alone, it would have half of its dependencies compiled anew.
    let tonic = driver(&workspace.target.join("debug/examples/conform"), &[]);
    let node = Path::new("node");
    let clients = [
        ("grpcio", driver(&python, &["drive.py"])),
        ("grpc-js", driver(node, &["dist/node.mjs"])),
        ("connect-web", driver(node, &["dist/browser.mjs", "dist/web.js"])),
        ("tonic", tonic),
    ];
    let mut transcripts = Vec::new();
    for (name, command) in clients {
        transcripts.push((name, transcript(name, command)?));
    }
    drop((open, guarded));
    compare(&transcripts)
}

/// Models and datasets that the table speaks of; and no results of another client's run, for each is to make its own.
fn flags(workspace: &Workspace) -> Result<Vec<OsString>> {
    let models = std::env::join_paths([workspace.root.join("tests/models"), workspace.root.join("models")])?;
    let datasets = workspace.root.join("datasets");
    Ok(vec!["--models".into(), models, "--datasets".into(), datasets.into(), "--cache".into(), "0".into()])
}

fn transcript(name: &str, mut command: Command) -> Result<Map<String, Value>> {
    eprintln!("{name} makes its calls");
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    serde_json::from_str(text.trim()).with_context(|| format!("{name} wrote no JSON: {text}"))
}

fn compare(transcripts: &[(&str, Map<String, Value>)]) -> Result<()> {
    let Some(((first, expected), others)) = transcripts.split_first() else { bail!("there is no client") };
    let mut differences = Vec::new();
    for (name, found) in others {
        ensure!(found.len() == expected.len(), "{name} made {} calls, {first} {}", found.len(), expected.len());
        for (call, result) in expected {
            let (here, there) = (steady(result), steady(found.get(call).unwrap_or(&Value::Null)));
            if !same(&here, &there) {
                differences.push(format!("{call}\n  {first}: {here}\n  {name}: {there}"));
            }
        }
    }
    let errors = expected.values().filter(|result| result.get("error").is_some()).count();
    ensure!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    ensure!(errors >= 25 && expected.len() >= errors + 25, "{errors} of {} calls failed", expected.len());
    let names: Vec<&str> = transcripts.iter().map(|(name, _)| *name).collect();
    println!("{} calls, {errors} of them errors: {} agree", expected.len(), names.join(", "));
    Ok(())
}

/// Without what differs from call to call; runs have no names.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
            kept.map(|(key, inner)| (key.clone(), steady(inner))).collect()
        }
        Value::Array(items) => items.iter().map(steady).collect(),
        Value::String(text) => Value::String(nameless(text)),
        other => other.clone(),
    }
}

/// Without names of runs: 32 hexadecimal digits.
fn nameless(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (part, others) =
            rest.split_at(if digits > 0 { digits } else { rest.chars().next().map_or(0, char::len_utf8) });
        shown.push_str(if digits == 32 { "…" } else { part });
        rest = others;
    }
    shown
}

/// Equal, numbers up to the digits of a float32: libraries write these with as many as they see fit.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            (left - right).abs() <= 1e-6 * left.abs().max(right.abs()).max(1e-6)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn names_of_runs_and_the_last_digits_of_floats_make_no_difference() {
        let name = "0123456789abcdef0123456789abcdef";
        let one = json!({"run": format!("runs/{name}/artifacts/map"), "p": 0.395_456_6, "elapsed": "1s"});
        let other = json!({"run": "runs/…/artifacts/map", "p": 0.395_456_612_110_137_94});
        assert!(same(&steady(&one), &steady(&other)));
        assert!(!same(&steady(&json!({"run": "runs/ab"})), &steady(&json!({"run": "runs/ac"}))));
    }

    #[test]
    fn a_difference_is_named_by_its_call() {
        let one = told(json!({"stop": {"error": {"code": 5}}}));
        let other = told(json!({"stop": {"error": {"code": 3}}}));
        let said = compare(&[("a", one), ("b", other)]).expect_err("they differ").to_string();
        assert!(said.contains("stop") && said.contains("\"code\":3"), "{said}");
    }
}
