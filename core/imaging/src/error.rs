//! What can be wrong with a picture, a name or a file; each message names the offending thing and what is accepted.

/// The errors of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the picture is empty (0 bytes)")]
    Empty,
    #[error("the encoded picture has {bytes} bytes, more than the limit of {limit}; make it smaller")]
    TooManyBytes { bytes: usize, limit: usize },
    #[error("the picture has {width}×{height} pixels, more than the limit of {limit} pixels; make it smaller")]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("the picture needs more than the limit of {limit} bytes of memory to decode; make it smaller")]
    TooMuchMemory { limit: u64 },
    #[error("not a picture: the data begin like none of {}", crate::FORMATS.join(", "))]
    NotAPicture,
    #[error("{format} pictures are not supported; convert it to one of {}", crate::FORMATS.join(", "))]
    UnsupportedFormat { format: String },
    #[error("the {format} picture is damaged or cut off: {message}")]
    Damaged { format: String, message: String },
    #[error("the {format} picture uses a feature that is not supported: {message}")]
    UnsupportedFeature { format: String, message: String },
    #[error("{what} has {got} values where {width}×{height} needs {expected}")]
    WrongLength { what: &'static str, got: usize, width: usize, height: usize, expected: usize },
    #[error("{what} of {width}×{height} is not possible; both sides must be from 1 to {max}")]
    BadSize { what: &'static str, width: usize, height: usize, max: usize },
    #[error(
        "unknown resize policy '{given}'; use stretch, short-side or short-side-N-centre-crop (N in pixels, for example 256)"
    )]
    UnknownPolicy { given: String },
    #[error("unknown resize filter '{given}'; use one of {}", crate::Filter::NAMES.join(", "))]
    UnknownFilter { given: String },
    #[error("unknown colour map '{given}'; use one of {}", crate::Colormap::NAMES.join(", "))]
    UnknownColormap { given: String },
    #[error("opacity must be from 0 to 1, got {given}")]
    BadAlpha { given: String },
    #[error("the picture could not be encoded as {format}: {message}")]
    Encode { format: &'static str, message: String },
    #[error("not a .npy file of little-endian float32 in C order: {0}")]
    Npy(String),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
