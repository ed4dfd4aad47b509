//! One network on both sides: the engine of this process, and the peer's process.

use crate::network::Network;
use crate::ours::Ours;
use crate::peer::Peer;
use anyhow::Result;
use std::path::Path;

pub(crate) struct Sides {
    pub(crate) network: &'static Network,
    pub(crate) ours: Ours,
    pub(crate) peer: Peer,
}

impl Sides {
    /// Both with the network loaded; `folder` is for what the peer writes for us.
    pub(crate) fn start(network: &'static Network, python: &Path, plugins: &Path, folder: &Path) -> Result<Self> {
        let peer = Peer::start(python, network, network.export(folder)?.as_deref())?;
        Ok(Self { network, ours: Ours::of(network, plugins, folder)?, peer })
    }
}
