//! Which benchmarks a run is asked for, on which networks, and how often each is repeated.

use crate::network::{Choice, LEAST};
use anyhow::{Result, bail};
use clap::Args;

/// Those that have a peer on the other side.
pub(crate) const BESIDE_PEERS: [&str; 10] = [
    "occlusion",
    "gradient",
    "integrated-gradients",
    "smooth-grad",
    "grad-cam",
    "deep-dream",
    "torchscript",
    "lime",
    "limit",
    "settling",
];
/// Those of our side alone.
pub(crate) const ALONE: [&str; 5] = ["server", "latency", "crowd", "memory", "mixed"];

#[derive(Args)]
pub(crate) struct Wanted {
    /// Under five minutes: five rounds of what is short, on EfficientNet-Lite0 and ResNet-50
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only on these networks; all but occlusion and gradient skip VGG-16 and ViT-B/16
    #[arg(long, value_name = "NETWORK")]
    network: Vec<Choice>,
    /// How often each pair is measured; what takes seconds a time at most five times
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these: occlusion, gradient, integrated-gradients, smooth-grad, grad-cam, deep-dream; and on EfficientNet-Lite0
    /// alone: torchscript, lime, server, latency, crowd, memory, mixed; limit and settling (only if named). Or, by itself, scaling: it writes a
    /// page of its own, which `scaling redraw` writes from its numbers
    names: Vec<String>,
}

impl Wanted {
    /// As they were given.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// # Errors
    /// If there is no benchmark of a name that was given.
    pub(crate) fn check(&self) -> Result<()> {
        let known = || BESIDE_PEERS.iter().chain(&ALONE);
        if let Some(name) = self.names.iter().find(|name| !known().any(|known| known == name)) {
            let names = known().copied().collect::<Vec<_>>();
            bail!("there is no benchmark {name:?}: choose from {}", names.join(", "));
        }
        Ok(())
    }

    /// In the order of the report.
    pub(crate) fn networks(&self) -> impl Iterator<Item = Choice> {
        let given = |choice: &Choice| self.network.contains(choice);
        let unnamed = |choice: &Choice| self.network.is_empty() && (choice.is_quick() || !self.quick);
        Choice::ALL.into_iter().filter(move |choice| given(choice) || unnamed(choice))
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { LEAST } else { 9 }).max(1)
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.names.is_empty() || self.is_named(name)
    }

    pub(crate) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// Whether everything is, not only what is short.
    pub(crate) fn is_whole(&self) -> bool {
        !self.quick
    }

    /// As [`Self::is`], for what takes minutes: a quick run has it only if it is named.
    pub(crate) fn is_long(&self, name: &str) -> bool {
        self.is(name) && (self.is_whole() || !self.names.is_empty())
    }

    /// As [`Self::is`], for what has a page of its own in docs/benchmarks: only if it is named.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
    }

    /// What the report is called: `latest` if it has everything.
    pub(crate) fn title(&self) -> String {
        let networks = self.network.iter().map(|choice| choice.network().id);
        let parts =
            self.quick.then_some("quick").into_iter().chain(networks).chain(self.names.iter().map(String::as_str));
        let title = parts.collect::<Vec<_>>().join("-");
        if title.is_empty() { "latest".into() } else { title }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(quick: bool, network: &[Choice], names: &[&str]) -> Wanted {
        Wanted {
            quick,
            rounds: None,
            network: network.to_vec(),
            names: names.iter().map(|name| (*name).into()).collect(),
        }
    }

    #[test]
    fn a_quick_run_leaves_out_what_is_slow_unless_it_is_named() {
        let quick = wanted(true, &[], &[]);
        assert!(quick.is("occlusion") && !quick.is_long("lime"));
        assert!(quick.networks().all(Choice::is_quick));
        let named = wanted(true, &[Choice::Vgg16], &["lime"]);
        assert!(named.is_long("lime") && !named.is("occlusion"));
        assert!(named.networks().eq([Choice::Vgg16]));
    }

    #[test]
    fn only_a_run_of_everything_is_the_latest() {
        assert_eq!(wanted(false, &[], &[]).title(), "latest");
        assert_eq!(wanted(true, &[], &[]).title(), "quick");
        assert_eq!(wanted(false, &[Choice::Resnet50], &["gradient"]).title(), "resnet50-gradient");
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!(wanted(false, &[], &["oclusion"]).check().is_err());
    }
}
