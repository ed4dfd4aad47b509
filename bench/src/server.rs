//! The same sweep through a server on loopback and in this process: what streaming costs.

use crate::Arguments;
use crate::agreement::difference;
use crate::measure::interleave;
use crate::network::LITE0;
use crate::ours::Ours;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;
use whyglass_proto::v1;
use whyglass_server::client::Client;

pub(crate) fn measure(ours: &Ours, arguments: &Arguments, rounds: usize, report: &mut Report) -> Result<()> {
    let server = Server::start(arguments)?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut client = tokio.block_on(Client::connect(&server.address, None, None))?;
    let params = json!({"size": 16, "stride": 8});
    let spec = ours.spec("occlusion", params, Some(0));
    let (run, ..) = ours.run(spec.clone(), |_| ())?;
    let (_, served) = tokio.block_on(sweep(&mut client, ours))?;
    let bytes = tokio.block_on(client.read_artifact(&format!("{served}/artifacts/map"), None))?;
    let apart = difference(&whyglass_imaging::read_npy(&bytes)?.1, &ours.engine.artifact(&run, "map")?.tensor.data)?;
    ensure!(apart == 0.0, "the server's map is {apart:.1e} apart from the one of this process");
    let here = || Ok(ours.run(spec.clone(), |_| ())?.2);
    let there = || Ok(tokio.block_on(sweep(&mut client, ours))?.0);
    // What is looked for is smaller than what single rounds scatter by.
    let pair = interleave(5 * rounds, here, there)?;
    report.pair(&LITE0, "occlusion 16/8 in process", "the same through the server", &pair, apart);
    Ok(())
}

/// The seconds of one sweep, and its run.
async fn sweep(client: &mut Client, ours: &Ours) -> Result<(f64, String)> {
    let number = |value: f64| prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(value)) };
    let fields = [("size".to_owned(), number(16.0)), ("stride".to_owned(), number(8.0))];
    let spec = v1::RunSpec {
        model: LITE0.id.into(),
        technique: "occlusion".into(),
        input: Some(v1::run_spec::Input::Image(v1::ImageSource {
            source: Some(v1::image_source::Source::Encoded(ours.image())),
        })),
        target: Some(v1::Target { target: Some(v1::target::Target::ClassIndex(0)) }),
        params: Some(prost_types::Struct { fields: fields.into_iter().collect() }),
        seed: Some(1),
        ..v1::RunSpec::default()
    };
    let start = Instant::now();
    let mut explanation =
        client.explain(v1::ExplainRequest { specs: vec![spec], ..v1::ExplainRequest::default() }).await?;
    let mut finished = false;
    while let Some(event) = explanation.next().await? {
        finished |= matches!(event.event, Some(v1::run_event::Event::Finished(_)));
    }
    ensure!(finished, "the stream ended without `finished`");
    let seconds = start.elapsed().as_secs_f64();
    Ok((seconds, explanation.runs().first().context("no run was accepted")?.clone()))
}

/// `whyglass serve` in a process of its own; ended when dropped.
struct Server {
    child: Child,
    address: String,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(arguments: &Arguments) -> Result<Self> {
        let mut child = Command::new(&arguments.binary)
            // The same is asked for in every round, to be computed in every round.
            .args(["serve", "--listen", "127.0.0.1:0", "--cache", "0", "--models", "models", "--plugins"])
            .arg(&arguments.plugins)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("standard output was piped")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned);
        Ok(Self { child, address: address.context("the server told no address")?, _output: output })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing else can be done if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
