//! The whyglass server as a library: configuration, the gRPC server over an engine, the client of such a server, and the
//! figures that both draw. The binary parses a command line and calls it; what explaining means is the engine's business.

#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod csv;
pub mod figure;
pub mod grpc;
mod http;
pub mod tokens;

pub use grpc::{ServeError, Server, serve};
