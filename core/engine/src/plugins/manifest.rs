//! `plugin.toml`: what is known of a plugin before any of its code runs, and whether that is enough to load it.

use std::path::Path;

use whyglass_abi::WG_ABI_MAJOR;

use crate::json::PluginManifest;

/// Reads and checks `plugin.toml` in `folder`. The error is a sentence for the list of plugins.
pub(super) fn read(folder: &Path) -> Result<PluginManifest, String> {
    let path = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let manifest: PluginManifest =
        toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()))?;
    check(&manifest)?;
    Ok(manifest)
}

fn check(manifest: &PluginManifest) -> Result<(), String> {
    if !is_kebab_case(&manifest.id) {
        return Err(format!("plugin.toml: id '{}' is not kebab-case", manifest.id));
    }
    let major = manifest.abi.split('.').next().and_then(|major| major.parse::<u16>().ok());
    if major != Some(WG_ABI_MAJOR) {
        return Err(format!(
            "plugin.toml: built for ABI '{}', this host speaks {WG_ABI_MAJOR}.x: rebuild the plugin",
            manifest.abi
        ));
    }
    for (key, name) in
        std::iter::once(("library", &manifest.library)).chain(manifest.requires.iter().map(|name| ("requires", name)))
    {
        let path = Path::new(name);
        if path.file_name().is_none_or(|plain| plain != path.as_os_str()) || name.contains('\\') {
            return Err(format!("plugin.toml: {key} '{name}' must be a plain file name in the same folder"));
        }
    }
    Ok(())
}

/// What `requires` names and `folder` does not hold, as a sentence for the list of plugins.
pub(super) fn missing(folder: &Path, manifest: &PluginManifest) -> Option<String> {
    let name = manifest.requires.iter().find(|name| !folder.join(name).exists())?;
    let advice = if manifest.install.is_empty() { "see where the plugin comes from" } else { &manifest.install };
    Some(format!("{name} is not installed: {advice}"))
}

/// `[a-z0-9]` words joined by single hyphens.
pub(super) fn is_kebab_case(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 64
        && id
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(abi: &str, library: &str) -> PluginManifest {
        PluginManifest { id: "cam".into(), abi: abi.into(), library: library.into(), ..PluginManifest::default() }
    }

    #[test]
    fn a_library_outside_the_folder_is_refused() {
        for library in ["../evil.so", "/tmp/evil.so", "sub/evil.so", "", ".", "..", "a\\b.so"] {
            assert!(check(&manifest("1.0", library)).is_err(), "{library}");
        }
        assert_eq!(check(&manifest("1.0", "libcam.so")), Ok(()));
    }

    #[test]
    fn what_a_plugin_requires_is_said_with_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let requires = vec!["librun.so".to_owned()];
        let manifest = PluginManifest { requires, install: "run make".into(), ..manifest("1.0", "libcam.so") };
        assert_eq!(missing(folder.path(), &manifest).unwrap(), "librun.so is not installed: run make");
        std::fs::write(folder.path().join("librun.so"), "").unwrap();
        assert_eq!(missing(folder.path(), &manifest), None);
        let outside = PluginManifest { requires: vec!["../librun.so".into()], ..manifest };
        assert!(check(&outside).unwrap_err().contains("requires '../librun.so'"));
    }

    #[test]
    fn another_major_is_refused_before_anything_is_loaded() {
        assert!(check(&manifest("2.0", "libcam.so")).unwrap_err().contains("rebuild"));
        assert!(check(&manifest("", "libcam.so")).is_err());
        assert_eq!(check(&manifest("1.7", "libcam.so")), Ok(()));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let text = "id = 'a'\nversion = '1'\nabi = '1.0'\nlibrary = 'a.so'\nlibary = 'b.so'";
        std::fs::write(folder.path().join("plugin.toml"), text).unwrap();
        assert!(read(folder.path()).unwrap_err().contains("libary"));
    }

    #[test]
    fn ids_are_kebab_case() {
        assert!(is_kebab_case("grad-cam") && is_kebab_case("t5"));
        assert!(!is_kebab_case("Grad") && !is_kebab_case("a--b") && !is_kebab_case("-a") && !is_kebab_case("../a"));
    }
}
