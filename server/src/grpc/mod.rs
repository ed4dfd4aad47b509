//! The server: binds, puts the services behind their guards, serves gRPC, gRPC-Web and the page on one port, and ends
//! within bounds. One service per file; what runs mean is the engine's business, what is not gRPC is that of `http`.

mod access;
mod admin;
mod artifact;
mod catalog;
mod certificate;
mod checked;
mod connection;
pub mod convert;
mod datasets;
mod explain;
mod guard;
mod limits;
mod models;
pub mod names;
mod page;
mod panic;
mod request_id;
mod state;
mod status;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;
use whyglass_engine::Engine;
use whyglass_proto::v1::admin_service_server::{AdminServiceServer, SERVICE_NAME as ADMIN};
use whyglass_proto::v1::catalog_service_server::{CatalogServiceServer, SERVICE_NAME as CATALOG};
use whyglass_proto::v1::dataset_service_server::{DatasetServiceServer, SERVICE_NAME as DATASET};
use whyglass_proto::v1::explain_service_server::{ExplainServiceServer, SERVICE_NAME as EXPLAIN};
use whyglass_proto::v1::model_service_server::{ModelServiceServer, SERVICE_NAME as MODEL};

use self::checked::Checked;
use self::connection::Connection;
use self::state::State;
use crate::config::{ServeConfig, Tls};
use crate::http::Http;

pub(crate) use access::Access;
pub(crate) use checked::Check;
pub(crate) use guard::Guard;
pub use limits::MAX_REQUEST_BYTES;
pub use status::DOMAIN;

const SERVICES: [&str; 5] = [CATALOG, MODEL, DATASET, EXPLAIN, ADMIN];

/// Streams of one connection. A page needs one; this is for gateways.
const MAX_STREAMS: u32 = 256;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Everybody on the network could run plugins and read results.
    #[error("{0} can be reached from other machines; give {1}, or --insecure if the network is trusted")]
    Exposed(SocketAddr, &'static str),
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// A file for TLS cannot be read.
    #[error("cannot read {path}: {1}", path = .0.display())]
    TlsFile(PathBuf, #[source] io::Error),
    /// A certificate cannot be made.
    #[error("no certificate could be made: {0}")]
    Certificate(String),
    /// Anything else: a key that does not fit its certificate, for example.
    #[error("the server cannot run: {}", chain(.0))]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors for reflection are broken.
    #[error("reflection is broken: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// Binds and serves until `shutdown`, then ends within the bounds of `config`. The engine is shut down with it.
///
/// # Errors
/// Where the server cannot be started; see [`ServeError`].
pub async fn serve(
    config: &ServeConfig,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::bind(config, engine).await?.run(shutdown).await
}

/// A server that listens already.
#[derive(Debug)]
pub struct Server {
    config: ServeConfig,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    state: State,
}

impl Server {
    /// Binds the address; port 0 takes a free one. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// [`ServeError::Exposed`] for an address that other machines reach, without TLS or without tokens, and without `insecure`;
    /// [`ServeError::Bind`].
    pub async fn bind(config: &ServeConfig, engine: Arc<Engine>) -> Result<Self, ServeError> {
        let wanted = config.listen;
        if !wanted.ip().to_canonical().is_loopback() && !config.insecure {
            if !config.is_encrypted() {
                return Err(ServeError::Exposed(wanted, "--tls-cert and --tls-key (or --tls-self-signed)"));
            }
            if config.tokens.is_empty() {
                return Err(ServeError::Exposed(wanted, "--tokens FILE"));
            }
        }
        let listener = TcpListener::bind(wanted).await.map_err(|error| ServeError::Bind(wanted, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Bind(wanted, error))?;
        let tls = match &config.tls_self_signed {
            Some(folder) => Some(certificate::self_signed(folder, &own_names(config, address))?),
            None => config.tls.clone(),
        };
        let state = State::new(engine, config.timing.clone());
        Ok(Self { config: config.clone(), listener, address, tls, state })
    }

    /// The file of the certificate that clients see, where there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.cert.as_path())
    }

    /// The address with the port that was taken.
    #[must_use]
    pub fn bound_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then: health says NOT_SERVING, new runs are refused, running ones get the grace and are
    /// ended with `finished`, streams get the drain time to deliver it, and what is left is cut off.
    ///
    /// # Errors
    /// Where TLS or reflection cannot be set up.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = Routes::new(health);
        for service in SERVICES {
            reporter.set_service_status(service, ServingStatus::Serving).await;
        }
        let state = &self.state;
        let size = MAX_REQUEST_BYTES;
        routes = routes
            .add_service(CatalogServiceServer::new(catalog::Catalog(state.clone())))
            .add_service(ModelServiceServer::new(models::Models(state.clone())).max_decoding_message_size(size))
            .add_service(DatasetServiceServer::new(datasets::Datasets(state.clone())))
            .add_service(ExplainServiceServer::new(explain::Explain(state.clone())).max_decoding_message_size(size))
            .add_service(AdminServiceServer::new(admin::Admin { state: state.clone(), health: reporter.clone() }))
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);

        let close = CancellationToken::new();
        let (token, silence) = (close.clone(), self.config.timing.handshake);
        let places = Arc::new(Semaphore::new(self.config.max_connections));
        let incoming = TcpIncoming::from(self.listener)
            .with_nodelay(Some(true))
            // A page speaks HTTP/1.1, which has no pings.
            .with_keepalive(Some(self.config.timing.keepalive_interval))
            .then(move |tcp| {
                let (places, token) = (Arc::clone(&places), token.clone());
                async move {
                    let place = places.acquire_owned().await.map_err(io::Error::other)?;
                    Ok::<_, io::Error>(Connection::new(tcp?, place, token, silence))
                }
            });
        let any_address = !self.address.ip().to_canonical().is_loopback();
        let guard = Guard::new(&self.config.allow_hosts, &self.config.allow_origins, any_address);
        let access = Access::new(self.config.tokens.clone(), !any_address);
        let http = Http::new(guard.clone(), access.clone(), self.config.samples.clone());
        let timing = &self.config.timing;
        let mut server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(timing.keepalive_interval))
            .http2_keepalive_timeout(Some(timing.keepalive_timeout))
            .max_concurrent_streams(MAX_STREAMS)
            .accept_http1(true);
        if let Some(tls) = &self.tls {
            server = server.tls_config(tls_config(tls, timing.handshake).await?)?;
        }
        let stop = CancellationToken::new();
        let serving = server
            .layer(panic::layer())
            .layer(http)
            .layer(GrpcWebLayer::new())
            .layer(Checked(guard))
            .layer(Checked(access))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => return Ok(result?),
            () = shutdown => {}
        }
        let draining = async {
            end_runs(&reporter, &self.state, self.config.grace).await;
            stop.cancel();
            tokio::time::sleep(timing.drain).await;
        };
        let result = tokio::select! {
            result = &mut serving => result,
            () = draining => Ok(()),
        };
        close.cancel();
        Ok(result?)
    }
}

/// Tells whoever asks for health that nothing new is begun.
async fn say_not_serving(reporter: &HealthReporter) {
    for service in SERVICES.into_iter().chain([""]) {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
}

/// Tells everybody that this is the end, and gives runs their time.
async fn end_runs(reporter: &HealthReporter, state: &State, grace: Duration) {
    say_not_serving(reporter).await;
    state.drain();
    let engine = Arc::clone(&state.engine);
    let ending = tokio::task::spawn_blocking(move || engine.shutdown(grace));
    // The engine keeps its word; should it not, the server still ends.
    if tokio::time::timeout(grace + state.timing.drain, ending).await.is_err() {
        tracing::warn!("runs did not end in time");
    }
}

/// What a server may be called: loopback, what it was told, and its address where that is one.
fn own_names(config: &ServeConfig, address: SocketAddr) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(config.allow_hosts.iter().cloned());
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(whyglass_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false);
    let others =
        ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
    SERVICES.into_iter().chain(others).fold(builder, tonic_reflection::server::Builder::with_service_name)
}

async fn tls_config(tls: &Tls, handshake: Duration) -> Result<ServerTlsConfig, ServeError> {
    let read =
        async |path: &PathBuf| tokio::fs::read(path).await.map_err(|error| ServeError::TlsFile(path.clone(), error));
    let identity = Identity::from_pem(read(&tls.cert).await?, read(&tls.key).await?);
    Ok(ServerTlsConfig::new().identity(identity).timeout(handshake))
}
