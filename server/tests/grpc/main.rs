//! The server as a client sees it: a real server on a port of its own, a real client over a socket, and techniques that
//! are linked in. What the engine does by itself is tested there.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

mod access;
mod administration;
mod again;
mod artifacts;
mod browser;
mod client;
mod control;
mod datasets;
mod discovery;
mod drain;
mod hazards;
mod requests;
mod stream;
mod support;
mod watching;
