//! `whyglass serve`: explanations over gRPC, until Ctrl-C or a request to terminate.

use std::sync::Arc;

use whyglass_server::Server;
use whyglass_server::config::ServeOptions;

use super::failure::{Exit, Failure};
use super::places::{self, Places};

/// Serve explanations over gRPC.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: ServeOptions,
}

pub(crate) fn run(places: &Places, args: Args) -> Result<Exit, Failure> {
    let mut config = places.config(args.serve)?;
    // Only where there are others to share with: what a command computes for itself is computed.
    config.engine.limits.cache_bytes = config.serve.cache_bytes;
    if config.serve.cache_bytes == 0 {
        // Whoever wants nothing shared must not learn from another's time what was asked before.
        config.engine.limits.activations_bytes = 0;
    }
    let engine = places::start(config.engine.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let server = Server::bind(&config.serve, Arc::clone(&engine)).await.map_err(Failure::refused)?;
        // On standard output, so that a script can read which port was taken.
        let scheme = if config.serve.is_encrypted() { "https" } else { "http" };
        outln!("listening on {scheme}://{}", server.bound_addr());
        if let Some(certificate) = server.certificate().filter(|_| config.serve.tls_self_signed.is_some()) {
            eprintln!("note: clients trust this server by its certificate, {}", certificate.display());
        }
        server.run(asked_to_end()).await.map_err(Failure::failed)
    })?;
    Ok(Exit::Done)
}

/// Ctrl-C, or SIGTERM where there is such a thing.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler there is nothing to wait for but the end of the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
