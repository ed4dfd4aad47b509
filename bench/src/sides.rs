//! One network on both sides: the engine of this process, and the peer's process.

use crate::floor::Floor;
use crate::network::Network;
use crate::ours::Ours;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::Result;
use std::path::Path;

pub(crate) struct Sides {
    pub(crate) network: &'static Network,
    pub(crate) ours: Ours,
    pub(crate) peer: Peer,
    /// Of our side.
    pub(crate) floor: Floor,
}

impl Sides {
    /// Both with the network loaded; `folder` is for what the peer writes for us.
    pub(crate) fn start(
        network: &'static Network,
        python: &Path,
        plugins: &Path,
        folder: &Path,
        report: &mut Report,
    ) -> Result<Self> {
        let mut peer = Peer::start(python, network, network.export(folder)?.as_deref())?;
        let floor = Floor::measure(network, &mut peer, plugins, folder, report)?;
        Ok(Self { network, ours: Ours::of(network, plugins, folder)?, peer, floor })
    }
}
