//! The one configuration: flags, `WHYGLASS_…` variables and a TOML file, in this order of precedence. Nothing else in the
//! project reads the environment. Checks here are of form; what a limit means is the engine's business.

mod duration;
mod file;
mod options;
mod size;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use duration::{format_duration, parse_duration};
pub use file::ConfigError;
pub use options::{EngineOptions, ServeOptions};

use crate::tokens::{Role, Tokens};

/// Where a server listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

/// Everything, resolved.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the engine is started with.
    pub engine: whyglass_engine::Config,
    /// Directories with a folder per dataset.
    pub datasets: Vec<PathBuf>,
    /// What a server is started with.
    pub serve: ServeConfig,
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Encrypt, and prove who the server is.
    pub tls: Option<Tls>,
    /// Encrypt with a certificate that the server makes and keeps in this folder.
    pub tls_self_signed: Option<PathBuf>,
    /// What clients have to show. Empty: nothing.
    pub tokens: Tokens,
    /// Let other machines in without encryption or without tokens.
    pub insecure: bool,
    /// Names of this server beside the loopback ones.
    pub allow_hosts: Vec<String>,
    /// Web sites that may ask: `https://host[:port]`.
    pub allow_origins: Vec<String>,
    /// Directories with pictures that the page offers.
    pub samples: Vec<PathBuf>,
    /// Time for running runs when the server is told to end.
    pub grace: Duration,
    /// Bytes of results that are handed out again: what a server's engine is to be started with.
    pub cache_bytes: usize,
    /// Connections at a time. Further ones wait, unread, until one of these ends.
    pub max_connections: usize,
    /// Bounds of connections and streams.
    pub timing: Timing,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            tls: None,
            tls_self_signed: None,
            tokens: Tokens::default(),
            insecure: false,
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            samples: Vec::new(),
            grace: Duration::from_secs(10),
            cache_bytes: 256 << 20,
            max_connections: 1024,
            timing: Timing::default(),
        }
    }
}

impl ServeConfig {
    /// Whether what is said is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some() || self.tls_self_signed.is_some()
    }
}

/// The files of a server's certificate, both PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, with the chain behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How long connections and streams wait for each thing. Not configurable from outside: tests shorten it.
#[derive(Clone, Debug)]
pub struct Timing {
    /// A silent stream says that it lives this often; proxies cut silent streams.
    pub heartbeat: Duration,
    /// A client that reads nothing for this long has its stream ended.
    pub stall: Duration,
    /// From the first byte to the end of a TLS handshake, and to the first byte.
    pub handshake: Duration,
    /// A connection is asked whether it lives this often.
    pub keepalive_interval: Duration,
    /// It has this long to answer.
    pub keepalive_timeout: Duration,
    /// Time for streams to deliver what is left after all runs have ended.
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            stall: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(3),
        }
    }
}

impl Config {
    /// What flags and variables say, then what the file says (`None`: there is none), then the defaults.
    ///
    /// # Errors
    /// A file that cannot be read or understood, half of a TLS identity.
    pub fn resolve(file: Option<&Path>, engine: EngineOptions, serve: ServeOptions) -> Result<Self, ConfigError> {
        let file = file.map(file::read).transpose()?.unwrap_or_default();
        let engine = engine.or(file.engine);
        Ok(Self {
            datasets: non_empty(&engine.datasets, || vec![PathBuf::from("datasets")]),
            engine: engine_config(engine),
            serve: serve_config(serve.or(file.serve))?,
        })
    }
}

fn engine_config(options: EngineOptions) -> whyglass_engine::Config {
    let defaults = whyglass_engine::Limits::default();
    whyglass_engine::Config {
        plugins: non_empty(&options.plugins, || beside_the_binary("plugins").into_iter().collect()),
        models: non_empty(&options.models, || vec![PathBuf::from("models")]),
        datasets: non_empty(&options.datasets, || vec![PathBuf::from("datasets")]),
        threads: options.threads.unwrap_or_default(),
        backend: options.backend,
        limits: whyglass_engine::Limits {
            slots: options.max_runs.unwrap_or(defaults.slots),
            queue: options.max_queue.unwrap_or(defaults.queue),
            run_duration: options.max_run_duration.unwrap_or(defaults.run_duration),
            image_bytes: options.max_image_bytes.unwrap_or(defaults.image_bytes),
            image_pixels: options.max_image_pixels.unwrap_or(defaults.image_pixels),
            ..defaults
        },
        ..whyglass_engine::Config::default()
    }
}

fn serve_config(options: ServeOptions) -> Result<ServeConfig, ConfigError> {
    let defaults = ServeConfig::default();
    let tls = match (options.tls_cert, options.tls_key) {
        (Some(cert), Some(key)) => Some(Tls { cert, key }),
        (None, None) => None,
        _ => return Err(ConfigError::HalfTls),
    };
    if tls.is_some() && options.tls_self_signed.is_some() {
        return Err(ConfigError::TwoCertificates);
    }
    let mut tokens = options.tokens.as_deref().map(Tokens::read).transpose()?.unwrap_or_default();
    for (role, token) in [(Role::Viewer, options.viewer_token), (Role::Admin, options.admin_token)] {
        token.iter().for_each(|token| tokens.add(role, token));
    }
    Ok(ServeConfig {
        listen: options.listen.unwrap_or(defaults.listen),
        tls,
        tls_self_signed: options.tls_self_signed,
        tokens,
        insecure: options.insecure,
        allow_hosts: options.allow_hosts,
        allow_origins: options.allow_origins,
        samples: non_empty(&options.samples, || beside_the_binary("samples").into_iter().collect()),
        grace: options.grace.unwrap_or(defaults.grace),
        cache_bytes: options.cache.unwrap_or(defaults.cache_bytes),
        max_connections: defaults.max_connections,
        timing: defaults.timing,
    })
}

fn non_empty(given: &[PathBuf], default: impl FnOnce() -> Vec<PathBuf>) -> Vec<PathBuf> {
    if given.is_empty() { default() } else { given.to_vec() }
}

/// A folder next to the running binary.
fn beside_the_binary(name: &str) -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    Some(binary.canonicalize().unwrap_or(binary).parent()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("whyglass.toml");
        let text =
            "[engine]\nmodels = ['/m']\nmax-runs = 3\n[serve]\nlisten = '127.0.0.1:7'\ngrace = '2m'\ncache = '1MiB'\n";
        std::fs::write(&file, text).expect("it is ours");
        let flags = ServeOptions { listen: Some("127.0.0.1:9".parse().expect("an address")), ..Default::default() };
        let config = Config::resolve(Some(&file), EngineOptions::default(), flags).expect("fine");
        assert_eq!(config.serve.listen.port(), 9);
        assert_eq!((config.serve.grace, config.serve.cache_bytes), (Duration::from_secs(120), 1 << 20));
        assert_eq!(config.engine.models, [PathBuf::from("/m")]);
        assert_eq!((config.engine.limits.slots, config.engine.limits.queue), (3, 64));
    }

    #[test]
    fn without_anything_the_server_is_on_loopback_only() {
        let config = Config::resolve(None, EngineOptions::default(), ServeOptions::default()).expect("fine");
        assert!(config.serve.listen.ip().is_loopback() && config.serve.tls.is_none() && !config.serve.insecure);
        assert!(config.engine.plugins[0].ends_with("plugins"));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let options = ServeOptions { tls_cert: Some("c.pem".into()), ..Default::default() };
        let refused = Config::resolve(None, EngineOptions::default(), options).expect_err("half of it");
        assert!(refused.to_string().contains("tls-key"));
    }

    #[test]
    fn tokens_come_from_flags_and_the_file_and_none_is_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("whyglass.toml");
        std::fs::write(&file, "[serve]\nadmin-token = 'a-token-of-the-file'\n").expect("it is ours");
        let flags = ServeOptions { viewer_token: "a-token-of-a-flag".parse().ok(), ..Default::default() };
        let config = Config::resolve(Some(&file), EngineOptions::default(), flags).expect("fine");
        assert_eq!(config.serve.tokens.role("a-token-of-the-file"), Some(Role::Admin));
        assert_eq!(config.serve.tokens.role("a-token-of-a-flag"), Some(Role::Viewer));
        assert!(!format!("{config:?}").contains("a-token"));
        std::fs::write(&file, "[serve]\nadmin-token = 'short'\n").expect("it is ours");
        let refused = Config::resolve(Some(&file), EngineOptions::default(), ServeOptions::default());
        assert!(refused.expect_err("too short").to_string().contains("at least 16"));
    }
}
