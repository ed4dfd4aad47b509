//! The first thing that a newcomer runs: a real network, explained on a real photograph, over a real server.

use crate::dashboard;
use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::{Workspace, run};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const TECHNIQUES: &str = "grad-cam,occlusion,deep-dream";

pub(crate) fn demo(workspace: &Workspace) -> Result<()> {
    setup::all(workspace)?;
    if let Err(missing) = dashboard::build(workspace) {
        eprintln!("the demo goes on without its page: {missing:#}");
    }
    let staged = stage::build(workspace, Profile::Release, &Torch::AsStaged)?;
    let (server, address) = Server::start(&staged.binary, &["--models".into(), workspace.root.join("models").into()])?;
    let picture = workspace.picture("chelsea.png");
    let out = workspace.root.join("out/demo");
    eprintln!("the server listens on {address}");
    run(Command::new(&staged.binary)
        .args(["classify", "efficientnet-lite0"])
        .arg(&picture)
        .arg("--models")
        .arg(workspace.root.join("models")))?;
    run(Command::new(&staged.binary)
        .args(["explain", TECHNIQUES, "efficientnet-lite0"])
        .arg(&picture)
        .args(["--server", &address, "--seed", "1", "--out"])
        .arg(&out))?;
    print_pictures(&out)?;
    println!("{}", python_hint(&staged.binary));
    if std::io::stdout().is_terminal() {
        println!("\nthe page is at {address}; Ctrl-C ends the server");
        server.wait()
    } else {
        println!("\nto see the page: {} serve, and open http://127.0.0.1:50051", staged.binary.display());
        Ok(())
    }
}

fn print_pictures(folder: &Path) -> Result<()> {
    println!("\npictures:");
    let mut folders = vec![folder.to_owned()];
    let mut pictures = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "png") {
                pictures.push(path);
            }
        }
    }
    pictures.sort();
    for picture in pictures {
        println!("  {}", picture.display());
    }
    Ok(())
}

fn python_hint(binary: &Path) -> String {
    format!(
        "\nto call the server from Python with nothing but reflection:\n  \
         {} serve &\n  \
         python3 -m pip install -r examples/python/requirements.txt\n  \
         python3 examples/python/explain.py 127.0.0.1:50051 efficientnet-lite0 third_party/pictures/chelsea.png",
        binary.display()
    )
}

/// A running server, ended when dropped. Its standard output stays open, or its next line would end it.
pub(crate) struct Server {
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it on a free port with these flags, and waits for the line that tells its address.
    pub(crate) fn start(binary: &Path, flags: &[OsString]) -> Result<(Self, String)> {
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let mut output = BufReader::new(child.stdout.take().context("standard output was piped")?);
        let mut line = String::new();
        let read = output.read_line(&mut line);
        let server = Self { child, _output: output };
        read.context("the server ended before it listened")?;
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("http"))
            .context("the server ended without telling its address")?;
        Ok((server, address.to_owned()))
    }

    /// Until it ends, by Ctrl-C as a rule.
    fn wait(mut self) -> Result<()> {
        self.child.wait().map(drop).context("the server is lost")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing else can be done if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
