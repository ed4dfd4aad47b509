//! What may be said, by flag, by variable or in the file. Everything is optional here: defaults come when all three have
//! been asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::duration::{deserialize, parse_duration};
use super::size::{self, parse_size};
use crate::tokens::Token;

/// Where things are and how much may be used. Table `[engine]` of the file.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EngineOptions {
    /// Directories with a folder per plugin [default: plugins beside the binary]
    #[arg(long, env = "WHYGLASS_PLUGINS", value_name = "DIR", value_delimiter = ':', global = true)]
    pub plugins: Vec<PathBuf>,
    /// Directories with a folder per model [default: ./models]
    #[arg(long, env = "WHYGLASS_MODELS", value_name = "DIR", value_delimiter = ':', global = true)]
    pub models: Vec<PathBuf>,
    /// Directories with a folder per dataset [default: ./datasets]
    #[arg(long, env = "WHYGLASS_DATASETS", value_name = "DIR", value_delimiter = ':', global = true)]
    pub datasets: Vec<PathBuf>,
    /// The back end that runs the models, by id; auto: whichever reads the file and has the device
    /// [default: what model.toml says, else auto]
    #[arg(long, value_name = "ID", global = true)]
    pub backend: Option<String>,
    /// Threads for computing [default: one per core]
    #[arg(long, env = "WHYGLASS_THREADS", value_name = "N", global = true)]
    pub threads: Option<u32>,
    /// Runs that compute at once [default: 8]
    #[arg(long, env = "WHYGLASS_MAX_RUNS", value_name = "N", global = true, hide_short_help = true)]
    pub max_runs: Option<usize>,
    /// Runs that wait for their turn [default: 64]
    #[arg(long, env = "WHYGLASS_MAX_QUEUE", value_name = "N", global = true, hide_short_help = true)]
    pub max_queue: Option<usize>,
    /// The longest that one run may take [default: 1h]
    #[arg(long, env = "WHYGLASS_MAX_RUN_DURATION", value_name = "TIME", value_parser = parse_duration, global = true, hide_short_help = true)]
    #[serde(deserialize_with = "deserialize")]
    pub max_run_duration: Option<Duration>,
    /// Bytes of an encoded picture [default: 33554432]
    #[arg(long, env = "WHYGLASS_MAX_IMAGE_BYTES", value_name = "N", global = true, hide_short_help = true)]
    pub max_image_bytes: Option<u64>,
    /// Pixels of a picture [default: 40000000]
    #[arg(long, env = "WHYGLASS_MAX_IMAGE_PIXELS", value_name = "N", global = true, hide_short_help = true)]
    pub max_image_pixels: Option<u64>,
}

/// What only a server needs. Table `[serve]` of the file.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeOptions {
    /// Address and port [default: 127.0.0.1:50051]
    #[arg(long, env = "WHYGLASS_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Certificate chain (PEM); needed, with its key, to be reached from other machines
    #[arg(long, env = "WHYGLASS_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "WHYGLASS_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Encrypt with a certificate that the server makes itself and keeps in this folder [default with the flag: tls]
    #[arg(long, env = "WHYGLASS_TLS_SELF_SIGNED", value_name = "DIR", num_args = 0..=1, default_missing_value = "tls")]
    pub tls_self_signed: Option<PathBuf>,
    /// Ask for tokens: a file with lines `viewer TOKEN` or `admin TOKEN`, for you alone to read
    #[arg(long, env = "WHYGLASS_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// A token that lets in to look and explain; other users of this machine see flags, so prefer the file or the variable
    #[arg(long, env = "WHYGLASS_VIEWER_TOKEN", value_name = "TOKEN", hide_env_values = true, hide_short_help = true)]
    pub viewer_token: Option<Token>,
    /// A token that lets in to administer, too; as for the other, prefer the file or the variable
    #[arg(long, env = "WHYGLASS_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true, hide_short_help = true)]
    pub admin_token: Option<Token>,
    /// Let other machines in without encryption or without tokens
    #[arg(long, env = "WHYGLASS_INSECURE")]
    pub insecure: bool,
    /// A name of this server beside the loopback ones
    #[arg(long = "allow-host", env = "WHYGLASS_ALLOW_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,
    /// A web site whose pages may use this server: https://host[:port]
    #[arg(long = "allow-origin", env = "WHYGLASS_ALLOW_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origins: Vec<String>,
    /// Directories with pictures that the page offers [default: samples beside the binary]
    #[arg(long, env = "WHYGLASS_SAMPLES", value_name = "DIR", value_delimiter = ':')]
    pub samples: Vec<PathBuf>,
    /// Time that running explanations get when the server is told to end [default: 10s]
    #[arg(long, env = "WHYGLASS_GRACE", value_name = "TIME", value_parser = parse_duration)]
    #[serde(deserialize_with = "deserialize")]
    pub grace: Option<Duration>,
    /// Results handed out again to whoever asks for the same with the same seed, the least used going first; 0: every
    /// request has runs of its own, and shares nothing [default: 256MiB]
    #[arg(long, env = "WHYGLASS_CACHE", value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size::deserialize")]
    pub cache: Option<usize>,
}

fn first<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

impl EngineOptions {
    /// These, and `other` where they say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            plugins: first(self.plugins, other.plugins),
            models: first(self.models, other.models),
            datasets: first(self.datasets, other.datasets),
            backend: self.backend.or(other.backend),
            threads: self.threads.or(other.threads),
            max_runs: self.max_runs.or(other.max_runs),
            max_queue: self.max_queue.or(other.max_queue),
            max_run_duration: self.max_run_duration.or(other.max_run_duration),
            max_image_bytes: self.max_image_bytes.or(other.max_image_bytes),
            max_image_pixels: self.max_image_pixels.or(other.max_image_pixels),
        }
    }
}

impl ServeOptions {
    /// These, and `other` where they say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_self_signed: self.tls_self_signed.or(other.tls_self_signed),
            tokens: self.tokens.or(other.tokens),
            viewer_token: self.viewer_token.or(other.viewer_token),
            admin_token: self.admin_token.or(other.admin_token),
            insecure: self.insecure || other.insecure,
            allow_hosts: first(self.allow_hosts, other.allow_hosts),
            allow_origins: first(self.allow_origins, other.allow_origins),
            samples: first(self.samples, other.samples),
            grace: self.grace.or(other.grace),
            cache: self.cache.or(other.cache),
        }
    }
}
