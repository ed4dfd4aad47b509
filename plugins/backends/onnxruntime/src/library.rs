//! Where ONNX Runtime's shared library lies: beside this plugin's own, nowhere else. No environment variable and no
//! search path is asked, so that what is loaded is what was installed with the plugin.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The version that this plugin is made for and tested with.
pub(crate) const VERSION: &str = "1.32.0";

/// The library's file name.
#[must_use]
pub(crate) fn file_name() -> String {
    if cfg!(target_os = "macos") {
        format!("libonnxruntime.{VERSION}.dylib")
    } else {
        format!("libonnxruntime.so.{VERSION}")
    }
}

/// The library beside the shared object that this code is part of, if that can be told; it may not exist.
#[must_use]
pub(crate) fn beside_this_plugin() -> Option<PathBuf> {
    Some(own_path()?.parent()?.join(file_name()))
}

/// The file that this code was loaded from.
fn own_path() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let address = own_path as fn() -> Option<PathBuf> as *const libc::c_void;
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
    fn the_library_is_looked_for_in_the_folder_of_the_object_that_asks() {
        let own = std::env::current_exe().unwrap().canonicalize().unwrap();
        assert_eq!(beside_this_plugin().unwrap(), own.parent().unwrap().join(file_name()));
    }
}
