//! `whyglass plugin new`: a crate with a technique that builds and runs, to be changed from there.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::failure::{Exit, Failure};

/// Begin a plugin: a crate with a technique that builds and runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// In lower case, words joined by dashes: my-technique. The crate gets a folder of this name.
    name: String,
    /// Where the folder is made.
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
}

/// Path in the new crate, and its text with placeholders: see the template's README.
const FILES: [(&str, &str); 3] = [
    ("Cargo.toml", include_str!("../../../../core/sdk/template/Cargo.toml.in")),
    ("plugin.toml", include_str!("../../../../core/sdk/template/plugin.toml.in")),
    ("src/lib.rs", include_str!("../../../../core/sdk/template/lib.rs.in")),
];

/// The SDK beside this crate, where the program was built from a checkout that is still there.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/sdk");

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    check(&args.name)?;
    let folder = args.within.join(&args.name);
    if folder.exists() {
        return Err(Failure::refused(format!("{} is there already; choose another name", folder.display())));
    }
    let cannot = |error: std::io::Error| Failure::refused(format!("{}: cannot be written: {error}", folder.display()));
    for (path, template) in FILES {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&folder)).map_err(cannot)?;
        fs::write(&file, fill(template, &args.name)).map_err(cannot)?;
    }
    let library = library(&args.name);
    let name = &args.name;
    outln!(
        "{folder} is ready. Build it, put it beside the other plugins, check it, run it:

  cd {folder}
  cargo build --release
  mkdir -p {plugins} && cp plugin.toml target/release/{library} {plugins}/
  whyglass plugin check {plugins}
  whyglass explain {name} MODEL IMAGE",
        folder = folder.display(),
        plugins = installed(name).display(),
    );
    Ok(Exit::Done)
}

fn check(name: &str) -> Result<(), Failure> {
    let word =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && !word.is_empty();
    let letter_first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if letter_first && name.len() <= 64 && name.split('-').all(word) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "'{name}' is no name for a plugin; use lower case words joined by dashes: my-technique"
    )))
}

fn fill(template: &str, name: &str) -> String {
    template.replace("@NAME@", name).replace("@LIB@", &underscored(name)).replace("@SDK@", &sdk())
}

fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

/// The dependency on the SDK: by path in a checkout, else the version that this program was built with.
fn sdk() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match Path::new(SDK).canonicalize() {
        Ok(path) if path.join("Cargo.toml").is_file() => {
            format!("{{ version = \"{version}\", path = {} }}", toml::Value::from(path.display().to_string()))
        }
        _ => format!("\"{version}\""),
    }
}

fn library(name: &str) -> String {
    format!("{}{}{}", std::env::consts::DLL_PREFIX, underscored(name), std::env::consts::DLL_SUFFIX)
}

/// Where a plugin is found without a flag.
fn installed(name: &str) -> PathBuf {
    let program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
    let folder = program.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
    folder.join("plugins").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_is_complete_and_has_no_placeholders_left() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args { name: "my-technique".to_owned(), within: folder.path().to_owned() };
        run(&args).unwrap();
        for (path, _) in FILES {
            let text = fs::read_to_string(folder.path().join("my-technique").join(path)).unwrap();
            assert!(!text.contains('@'), "{path}: {text}");
            assert!(text.contains("my-technique"), "{path}");
        }
        let manifest = fs::read_to_string(folder.path().join("my-technique/plugin.toml")).unwrap();
        let manifest: whyglass_engine::json::PluginManifest = toml::from_str(&manifest).unwrap();
        assert_eq!(manifest.id, "my-technique");
        let cargo: toml::Table =
            fs::read_to_string(folder.path().join("my-technique/Cargo.toml")).unwrap().parse().unwrap();
        assert!(cargo["dependencies"]["whyglass-sdk"]["path"].as_str().is_some());
        assert!(run(&args).unwrap_err().to_string().contains("is there already"));
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        for name in ["", "My-technique", "../x", "a--b", "-a", "9lives", "a_b"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check("smooth-grad-2").is_ok());
    }
}
