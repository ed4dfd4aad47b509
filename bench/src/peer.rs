//! The peer's process: PyTorch and what explains its networks behind lines of JSON (`bench/peers/worker.py`).

use crate::network::{LITE0, Network};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running worker with its model loaded; ended when dropped.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Package → version.
    pub(crate) versions: Value,
    /// The class that it explains.
    pub(crate) target: u32,
}

impl Peer {
    /// The peer at its best: large blocks of memory are kept, the model's layout is channels-last.
    ///
    /// It writes the network as ONNX where `export` says.
    pub(crate) fn start(python: &Path, network: &Network, export: Option<&Path>) -> Result<Self> {
        Self::start_with(python, network, export, true)
    }

    /// The peer as people run it who tune nothing, with EfficientNet-Lite0.
    pub(crate) fn start_plain(python: &Path) -> Result<Self> {
        Self::start_with(python, &LITE0, None, false)
    }

    fn start_with(python: &Path, network: &Network, export: Option<&Path>, tuned: bool) -> Result<Self> {
        let mut child = Command::new(python)
            .arg("bench/peers/worker.py")
            .args((!tuned).then_some("--plain"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let input = child.stdin.take().context("standard input was piped")?;
        let output = BufReader::new(child.stdout.take().context("standard output was piped")?);
        let mut peer = Self { child, input, output, versions: Value::Null, target: 0 };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let loaded = peer.ask(&json!({
            "op": "load", "network": network.id, "onnx": export, "image": crate::ours::PICTURE,
            "threads": threads, "channels_last": tuned,
        }))?;
        peer.versions = loaded["versions"].clone();
        peer.target = u32::try_from(loaded["target"].as_u64().context("the peer names no class")?)?;
        Ok(peer)
    }

    /// One request, one answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.input, "{request}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("the peer answered {line:?}"))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("the peer failed at {request}: {error}");
        }
        Ok(answer)
    }

    /// The seconds that the peer took for `request`.
    pub(crate) fn seconds(&mut self, request: &Value) -> Result<f64> {
        self.ask(request)?["seconds"].as_f64().context("the peer tells no time")
    }

    /// The numbers of the peer's answer to `request`.
    pub(crate) fn answer(&mut self, mut request: Value) -> Result<Vec<f32>> {
        let path = std::env::temp_dir().join(format!("whyglass-bench-{}.npy", std::process::id()));
        request["save"] = json!(path);
        self.ask(&request)?;
        let bytes = std::fs::read(&path)?;
        std::fs::remove_file(&path)?;
        Ok(whyglass_imaging::read_npy(&bytes)?.1)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing else can be done if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
