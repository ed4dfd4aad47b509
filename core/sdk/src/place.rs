//! Where a plugin lies: what it needs beside its library, it looks for there and nowhere else.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The file that this code was loaded from, with links followed: a plugin's own library in its own folder.
#[must_use]
pub fn own_file() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let address = own_file as fn() -> Option<PathBuf> as *const libc::c_void;
    // SAFETY: `address` is code of this object and `info` is writable; dladdr keeps neither.
    let found = unsafe { libc::dladdr(address, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded, so the name is a NUL-terminated string that lives as long as the object is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    std::fs::canonicalize(Path::new(OsStr::from_bytes(name.to_bytes()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_is_part_of_a_program_lies_in_its_file() {
        assert_eq!(own_file(), std::env::current_exe().unwrap().canonicalize().ok());
    }
}
