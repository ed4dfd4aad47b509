//! What can be wrong with raw data, in words that name it. Nothing here depends on who sent it.

use core::fmt;

/// Something that the other side sent and that the ABI forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A null pointer where something had to be.
    Null { what: &'static str },
    /// A pointer that is not aligned for its type.
    Misaligned { what: &'static str },
    /// More items than an address space holds.
    TooLong { what: &'static str },
    /// A table smaller than that of ABI 1.0.
    StructSize { what: &'static str, found: usize, wanted: usize },
    /// A string that is not UTF-8 from byte `at` on.
    NotUtf8 { at: usize },
    /// More than [`crate::WG_MAX_RANK`] dimensions.
    Rank { rank: u32 },
    /// A dimension below zero.
    NegativeDimension { axis: usize, value: i64 },
    /// A shape whose number of bytes does not fit into the address space.
    ShapeOverflow { shape: Vec<i64> },
    /// A `dtype` that is not the one asked for, or not known.
    Dtype { found: u32, wanted: &'static str },
    /// An owned tensor without a `release`, where a tensor had to be.
    Empty,
    /// Data whose length is not the product of the shape.
    Length { shape: Vec<i64>, found: usize },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null { what } => write!(f, "{what} is null"),
            Self::Misaligned { what } => write!(f, "{what} is not aligned"),
            Self::TooLong { what } => write!(f, "{what} is longer than the address space"),
            Self::StructSize { what, found, wanted } => {
                write!(f, "{what} has struct_size {found}, less than the {wanted} bytes of ABI 1.0")
            }
            Self::NotUtf8 { at } => write!(f, "a string is not UTF-8 from byte {at} on"),
            Self::Rank { rank } => write!(f, "a tensor has {rank} dimensions, more than {}", crate::WG_MAX_RANK),
            Self::NegativeDimension { axis, value } => write!(f, "dimension {axis} of a tensor is negative ({value})"),
            Self::ShapeOverflow { shape } => write!(f, "a tensor of shape {shape:?} is larger than the address space"),
            Self::Dtype { found, wanted } => write!(f, "a tensor has dtype {found}, {wanted} is wanted"),
            Self::Empty => write!(f, "an owned tensor is empty (release is null)"),
            Self::Length { shape, found } => {
                write!(f, "a tensor of shape {shape:?} has {found} elements, not the product of its dimensions")
            }
        }
    }
}

impl core::error::Error for Violation {}
