//! Reading what the other side of the line has sent, without trusting it: strings, slices, tables, tensors.
//!
//! Responsible for turning raw pointers into checked borrows or into a [`Violation`], and for owning a [`WgOwned`]
//! until it is released. Not responsible for meaning: whether a node exists or an artifact is declared is asked later.

mod owned;
mod tensor;
mod violation;

pub use owned::OwnedTensor;
pub use tensor::{Elements, TensorRef, count_elements};
pub use violation::Violation;

use crate::tables::*;
use core::mem::{align_of, size_of};

/// A table that begins with `struct_size`.
///
/// # Safety
/// The type is `#[repr(C)]` and its first field is a `usize` called `struct_size`.
pub unsafe trait Table {
    /// The name of the table in the header.
    const NAME: &'static str;
}

macro_rules! tables {
    ($($name:ident),+ $(,)?) => {$(
        // SAFETY: `layout` asserts that the struct is repr(C) with `struct_size` at offset 0.
        unsafe impl Table for $name {
            const NAME: &'static str = stringify!($name);
        }
    )+};
}
tables!(
    WgEvent,
    WgCall,
    WgVjp,
    WgModel,
    WgOcclusion,
    WgOcclude,
    WgBackend,
    WgImages,
    WgRequest,
    WgExplainer,
    WgHost,
    WgPlugin
);

/// Borrows a table that the other side sent. Fields appended after 1.0 must be read through a size test instead.
///
/// # Safety
/// A pointer that is neither null nor misaligned points to a table that lives, unchanged, for `'a`.
///
/// # Errors
/// Null, misaligned, or a `struct_size` smaller than the table of ABI 1.0.
pub unsafe fn table_from<'a, T: Table>(table: *const T) -> Result<&'a T, Violation> {
    if table.is_null() {
        return Err(Violation::Null { what: T::NAME });
    }
    if !table.is_aligned() {
        return Err(Violation::Misaligned { what: T::NAME });
    }
    // SAFETY: the pointer is not null, is aligned, and each table begins with its size.
    let found = unsafe { table.cast::<usize>().read() };
    if found < size_of::<T>() {
        return Err(Violation::StructSize { what: T::NAME, found, wanted: size_of::<T>() });
    }
    // SAFETY: the caller promises a live table, and it is at least as large as ours.
    Ok(unsafe { &*table })
}

/// Borrows `count` items. Null is an empty slice where `count` is 0.
///
/// # Safety
/// A pointer that is neither null nor misaligned points to `count` items that live, unchanged, for `'a`.
///
/// # Errors
/// Null with `count` > 0, misaligned, or longer than the address space.
pub unsafe fn slice_from<'a, T>(ptr: *const T, count: usize, what: &'static str) -> Result<&'a [T], Violation> {
    if count == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(Violation::Null { what });
    }
    if !ptr.is_aligned() {
        debug_assert!(align_of::<T>() > 1);
        return Err(Violation::Misaligned { what });
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Violation::TooLong { what });
    }
    // SAFETY: not null, aligned, within the address space; the caller promises that the items are there.
    Ok(unsafe { core::slice::from_raw_parts(ptr, count) })
}

/// Borrows a string.
///
/// # Safety
/// `text.ptr`, where it is not null, points to `text.len` bytes that live, unchanged, for `'a`.
///
/// # Errors
/// Null with a length above 0, or bytes that are not UTF-8.
pub unsafe fn str_from<'a>(text: WgStr) -> Result<&'a str, Violation> {
    // SAFETY: the caller's promise is the callee's.
    let bytes = unsafe { slice_from(text.ptr, text.len, "a string") }?;
    core::str::from_utf8(bytes).map_err(|error| Violation::NotUtf8 { at: error.valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_string_is_empty_only_at_length_zero() {
        // SAFETY: null pointers and a literal.
        unsafe {
            assert_eq!(str_from(WgStr::EMPTY), Ok(""));
            assert_eq!(str_from(WgStr::new("Grüße")), Ok("Grüße"));
            let lie = WgStr { ptr: core::ptr::null(), len: 3 };
            assert_eq!(str_from(lie), Err(Violation::Null { what: "a string" }));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_position() {
        let bytes = [b'a', 0xff];
        // SAFETY: two live bytes.
        let text = unsafe { str_from(WgStr { ptr: bytes.as_ptr(), len: 2 }) };
        assert_eq!(text, Err(Violation::NotUtf8 { at: 1 }));
    }

    #[test]
    fn a_slice_longer_than_the_address_space_is_refused() {
        let one = 1_i64;
        // SAFETY: the length is refused before anything is read.
        let slice = unsafe { slice_from(&raw const one, usize::MAX / 4, "numbers") };
        assert_eq!(slice, Err(Violation::TooLong { what: "numbers" }));
    }

    #[test]
    fn a_table_of_an_older_size_is_refused() {
        let host = WgHost {
            struct_size: size_of::<WgHost>() - 8,
            abi_major: 1,
            abi_minor: 0,
            reserved: 0,
            name: WgStr::EMPTY,
            version: WgStr::EMPTY,
            ctx: core::ptr::null_mut(),
            log: None,
            extension: None,
        };
        // SAFETY: a live table.
        let error = unsafe { table_from(&raw const host) }.unwrap_err();
        assert_eq!(error, Violation::StructSize { what: "WgHost", found: 64, wanted: 72 });
        assert_eq!(error.to_string(), "WgHost has struct_size 64, less than the 72 bytes of ABI 1.0");
    }
}
