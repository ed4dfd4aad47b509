//! The C ABI between the Whyglass host and its plugins.
//!
//! This crate is responsible for the *shape* of everything that crosses the line: `#[repr(C)]` tables and status codes.
//! Two features add what both sides would otherwise write twice: `json`, the documents named in the tables as serde
//! types, and `safe`, checked borrows of raw strings, slices, tables and tensors. Without them it depends on nothing.
//! What a plugin author sees lives in `whyglass-sdk`, the host's side in `whyglass-engine`.
//!
//! `include/whyglass.h` says the same in C and carries the rules of ownership and threading; a test keeps the two
//! equal, field by field. The version of this crate is the version of the ABI.

#[cfg(feature = "json")]
pub mod json;
mod layout;
#[cfg(feature = "safe")]
pub mod safe;
mod tables;

pub use tables::*;

/// Major version of the ABI. It is part of [`ENTRY_SYMBOL`]: a break is a new symbol, never a changed meaning.
pub const WG_ABI_MAJOR: u16 = 1;
/// Minor version of the ABI: fields may have been appended since `.0`, so test `struct_size` before touching them.
pub const WG_ABI_MINOR: u16 = 0;
/// Name of the only symbol a plugin exports, NUL-terminated for `dlsym`.
pub const ENTRY_SYMBOL: &[u8] = b"whyglass_plugin_v1\0";
/// The extension of a model whose table is [`WgOcclude`].
pub const OCCLUDE: &str = "whyglass.model.occlude/1";
/// Type of the function behind [`ENTRY_SYMBOL`]. Null means "this host is refused". May be called more than once and
/// returns the same pointer each time.
pub type EntryFn = unsafe extern "C" fn(host: *const WgHost) -> *const WgPlugin;
