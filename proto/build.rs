//! Compiles the `.proto` files with protox (no `protoc` needed) into messages, clients and servers, and keeps their
//! descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 8] = [
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
    "whyglass/v1/types.proto",
    "whyglass/v1/catalog.proto",
    "whyglass/v1/model.proto",
    "whyglass/v1/explain.proto",
    "whyglass/v1/dataset.proto",
    "whyglass/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .bytes(".whyglass.v1")
        .compile_fds(descriptors)?;
    Ok(())
}
