//! The input gradient through TorchScript on libtorch, beside PyTorch itself: the same network, traced by the peer.

use crate::gradient::Beside;
use crate::network::LITE0;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::Result;
use serde_json::json;
use whyglass_libtorch::Libtorch;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, json as options};

/// L2-relative: the same kernels on the same numbers.
const TOLERANCE: f64 = 1e-4;

pub(crate) fn measure(peer: &mut Peer, rounds: usize, report: &mut Report) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("whyglass-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("model.pt");
    peer.ask(&json!({"op": "export", "path": file}))?;
    let input = Some(options::InputSize { height: 224, width: 224 });
    let options = options::LoadOptions { input, ..Default::default() };
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let recorder = Recorder::new().with_threads(threads);
    let call = recorder.call();
    let loaded = Libtorch.load(&call, &file, options);
    std::fs::remove_dir_all(&folder)?;
    let model = loaded?;
    let case = Beside {
        network: &LITE0,
        name: "input gradient by TorchScript",
        tolerance: TOLERANCE,
        model: &*model,
        call: &call,
        floor: None,
    };
    [1, 16].into_iter().try_for_each(|batch| case.measure(batch, peer, 3 * rounds, report))
}
