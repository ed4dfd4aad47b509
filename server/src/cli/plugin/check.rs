//! `whyglass plugin check`: one check after another, each in a process of its own, so that a plugin that crashes or hangs
//! takes nobody with it and is told apart from one that only says something wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use whyglass_engine::{Config, Engine, PluginInfo, PluginState, Technique};

use super::super::failure::{Exit, Failure};

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Check a plugin: whether it loads and says sensible things of itself. Its code is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plugin's folder, with plugin.toml and its library.
    path: PathBuf,
    /// Only this check, in this process.
    #[arg(long, hide = true, value_name = "CHECK")]
    only: Option<String>,
}

type Verdict = Result<String, String>;
type Check = (&'static str, fn(&Path) -> Verdict);

/// In this order; each has a name that the child process is told.
const CHECKS: [Check; 5] = [
    ("manifest", manifest),
    ("loads", loads),
    ("loads-again", loads_again),
    ("descriptions", descriptions),
    ("parameters", parameters),
];

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if !args.path.join("plugin.toml").is_file() {
        let path = args.path.display();
        return Err(Failure::refused(format!("{path}: there is no plugin.toml; name the folder that holds it")));
    }
    if let Some(name) = &args.only {
        let check = CHECKS.iter().find(|(known, _)| known == name);
        let (_, check) = check.ok_or_else(|| Failure::refused(format!("there is no check '{name}'")))?;
        return match check(&args.path) {
            Ok(finding) => {
                outln!("{finding}");
                Ok(Exit::Done)
            }
            Err(finding) => {
                outln!("{finding}");
                Ok(Exit::Failed)
            }
        };
    }
    // An engine looks at all folders beside each other, so the plugin gets a place without neighbours, where nobody else
    // can put anything.
    let place = tempfile::tempdir().map_err(Failure::failed)?;
    let staged = copy(&args.path, place.path())
        .map_err(|error| Failure::refused(format!("{}: cannot be copied: {error}", args.path.display())))?;
    let mut faults = 0;
    for (name, _) in CHECKS {
        let verdict = in_child(&staged, name)?;
        let (mark, text) = match &verdict {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        outln!("{mark}  {name:<13} {text}");
        if verdict.is_err() {
            faults += 1;
            // Nothing can be asked of a plugin that does not load.
            if matches!(name, "manifest" | "loads") {
                break;
            }
        }
    }
    Ok(if faults == 0 { Exit::Done } else { Exit::Failed })
}

/// Runs a check in a process of its own.
fn in_child(path: &Path, check: &str) -> Result<Verdict, Failure> {
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let child = Command::new(program)
        .args(["plugin", "check", "--only", check])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(Failure::failed)?;
    wait(child)
}

fn wait(mut child: Child) -> Result<Verdict, Failure> {
    let begun = Instant::now();
    while child.try_wait().map_err(Failure::failed)?.is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().map_err(Failure::failed)?;
            child.wait().map_err(Failure::failed)?;
            return Ok(Err(format!("has not come back after {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().map_err(Failure::failed)?;
    let text = String::from_utf8_lossy(&output.stdout).trim().lines().collect::<Vec<_>>().join("; ");
    Ok(match output.status.code() {
        Some(0) => Ok(text),
        Some(1) if !text.is_empty() => Err(text),
        _ => Err(format!("the process ended with {}", output.status)),
    })
}

/// No code of the plugin runs.
fn manifest(path: &Path) -> Verdict {
    let text = fs::read_to_string(path.join("plugin.toml")).map_err(|error| format!("plugin.toml: {error}"))?;
    let manifest: whyglass_engine::json::PluginManifest =
        toml::from_str(&text).map_err(|error| format!("plugin.toml: {}", error.message()))?;
    if !path.join(&manifest.library).is_file() {
        return Err(format!("the library {} is not there; build it and copy it beside plugin.toml", manifest.library));
    }
    Ok(format!("{} {} for ABI {}", manifest.id, manifest.version, manifest.abi))
}

/// An engine that sees this plugin and what lies beside it, and what it says of it.
fn engine(path: &Path) -> Result<(std::sync::Arc<Engine>, PluginInfo), String> {
    let folder = path.canonicalize().map_err(|error| error.to_string())?;
    let place = folder.parent().ok_or("the plugin's folder cannot be the root")?;
    let config = Config { plugins: vec![place.to_owned()], ..Config::default() };
    let engine = Engine::start(config).map_err(|error| error.to_string())?;
    let plugin = engine.plugins().into_iter().next().ok_or("the engine does not find it")?;
    match plugin.state {
        PluginState::Ready => Ok((engine, plugin)),
        _ => Err(plugin.state_reason),
    }
}

/// Copies the files of a plugin's folder, links followed, into a folder of the same name in `place`.
fn copy(folder: &Path, place: &Path) -> std::io::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let staged = place.join(folder.file_name().unwrap_or("plugin".as_ref()));
    fs::create_dir(&staged)?;
    for entry in fs::read_dir(folder)? {
        let source = entry?.path();
        if source.is_file() {
            fs::copy(&source, staged.join(source.file_name().unwrap_or_default()))?;
        }
    }
    Ok(staged)
}

fn loads(path: &Path) -> Verdict {
    let (_, plugin) = engine(path)?;
    let brings: Vec<&str> = plugin.techniques.iter().chain(&plugin.backends).map(String::as_str).collect();
    if brings.is_empty() { Err("it brings neither techniques nor back ends".to_owned()) } else { Ok(brings.join(", ")) }
}

/// The symbol may be called more than once and returns the same tables.
fn loads_again(path: &Path) -> Verdict {
    let (first, one) = engine(path)?;
    let (_second, other) = engine(path)?;
    if (&one.techniques, &one.backends) != (&other.techniques, &other.backends) {
        return Err("it brings other things the second time".to_owned());
    }
    // Once: it is one plugin, however many engines use it.
    first.shutdown(Duration::ZERO);
    Ok("a second time in the same process".to_owned())
}

fn every_technique(path: &Path, check: impl Fn(&Technique) -> Vec<String>) -> Result<usize, String> {
    let (engine, _) = engine(path)?;
    let techniques = engine.techniques();
    let faults: Vec<String> = techniques
        .iter()
        .flat_map(|technique| check(technique).into_iter().map(|fault| format!("{}: {fault}", technique.id)))
        .collect();
    if faults.is_empty() { Ok(techniques.len()) } else { Err(faults.join("; ")) }
}

/// What people read.
fn descriptions(path: &Path) -> Verdict {
    let count = every_technique(path, |technique| {
        let descriptor = &technique.descriptor;
        let mut faults = Vec::new();
        for (what, text) in [("title", &descriptor.title), ("description", &descriptor.description)] {
            if text.trim().is_empty() {
                faults.push(format!("has no {what}"));
            }
        }
        if descriptor.artifacts.iter().all(|artifact| artifact.auxiliary) {
            faults.push("declares no artifact that a person would look at".to_owned());
        }
        faults
    })?;
    Ok(format!("{count} with title, description and artifacts"))
}

/// What forms and help are drawn from. That the schema is one, and accepts its defaults, the engine has checked.
fn parameters(path: &Path) -> Verdict {
    let count = every_technique(path, |technique| faults_of_schema(&technique.descriptor.params))?;
    Ok(format!("{count} with closed schemas, defaults and descriptions"))
}

fn faults_of_schema(schema: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        faults.push("accepts parameters that it does not know (additionalProperties must be false)".to_owned());
    }
    if schema.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty()) {
        faults.push("has parameters without a default".to_owned());
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if property.get("description").and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
            faults.push(format!("the parameter '{name}' has no description"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_open_or_undocumented_schema_is_found() {
        let good = json!({ "additionalProperties": false, "properties": { "size": { "description": "Side." } } });
        assert!(faults_of_schema(&good).is_empty());
        let bad = json!({ "properties": { "size": {} }, "required": ["size"] });
        assert_eq!(faults_of_schema(&bad).len(), 3);
    }

    #[test]
    fn a_manifest_without_its_library_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let text = "id = 'x'\nversion = '0.1.0'\nabi = '1.0'\nlibrary = 'libx.so'\n";
        fs::write(folder.path().join("plugin.toml"), text).unwrap();
        assert!(manifest(folder.path()).unwrap_err().contains("build it and copy it"));
        fs::write(folder.path().join("libx.so"), "").unwrap();
        assert_eq!(manifest(folder.path()), Ok("x 0.1.0 for ABI 1.0".to_owned()));
        fs::write(folder.path().join("plugin.toml"), "idd = 3").unwrap();
        assert!(manifest(folder.path()).is_err());
    }

    #[test]
    fn a_folder_without_a_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = run(&Args { path: folder.path().to_owned(), only: None }).unwrap_err();
        assert_eq!(failure.exit, Exit::Refused);
    }
}
