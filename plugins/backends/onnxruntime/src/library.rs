//! Where ONNX Runtime's shared library lies: beside this plugin's own, nowhere else. No environment variable and no
//! search path is asked, so that what is loaded is what was installed with the plugin.

use std::path::PathBuf;
use whyglass_sdk::place::own_file;

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
    Some(own_file()?.parent()?.join(file_name()))
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
