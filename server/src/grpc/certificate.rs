//! A certificate that the server signs itself: for machines that trust nothing but a file that they were given. It is made
//! once and kept, so that those who trust it need not be told again.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use time::{Duration, OffsetDateTime};

use super::ServeError;
use crate::config::Tls;

/// Browsers trust none that is valid for longer than 398 days.
const DAYS: i64 = 365;
/// It is made anew so many days before its end.
const RENEWED: i64 = 30;

/// The certificate for `names` in `folder`; made where there is none, or one for other names, or one that soon ends.
pub(super) fn self_signed(folder: &Path, names: &[String]) -> Result<Tls, ServeError> {
    let tls = Tls { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    let about = folder.join("cert.txt");
    let now = OffsetDateTime::now_utc();
    if tls.cert.is_file()
        && tls.key.is_file()
        && std::fs::read_to_string(&about).is_ok_and(|text| fits(&text, names, now))
    {
        return Ok(tls);
    }
    let failed = |error: rcgen::Error| ServeError::Certificate(error.to_string());
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "Whyglass");
    // Clocks of other machines may be behind.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let cannot = |path: &Path| {
        let path = path.to_owned();
        move |error| ServeError::TlsFile(path, error)
    };
    std::fs::create_dir_all(folder).map_err(cannot(folder))?;
    write_private(&tls.key, &key.serialize_pem()).map_err(cannot(&tls.key))?;
    std::fs::write(&tls.cert, certificate.pem()).map_err(cannot(&tls.cert))?;
    std::fs::write(&about, written(names, params.not_after)).map_err(cannot(&about))?;
    Ok(tls)
}

/// What is said of a certificate beside it: when it ends, in seconds since 1970, and its names.
fn written(names: &[String], end: OffsetDateTime) -> String {
    format!("{}\n{}\n", end.unix_timestamp(), names.join("\n"))
}

fn fits(about: &str, names: &[String], now: OffsetDateTime) -> bool {
    let mut lines = about.lines();
    let end: i64 = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    end > (now + Duration::days(RENEWED)).unix_timestamp() && lines.eq(names.iter().map(String::as_str))
}

fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_kept_until_its_names_change_or_it_soon_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let read = |tls: &Tls| std::fs::read(&tls.cert).expect("it was written");
        let first = read(&self_signed(folder.path(), &names).expect("made"));
        assert_eq!(read(&self_signed(folder.path(), &names).expect("kept")), first);
        let other = read(&self_signed(folder.path(), &names[..1]).expect("made anew"));
        assert_ne!(other, first);
        let soon = OffsetDateTime::now_utc() + Duration::days(RENEWED - 1);
        std::fs::write(folder.path().join("cert.txt"), written(&names[..1], soon)).expect("ours");
        assert_ne!(read(&self_signed(folder.path(), &names[..1]).expect("made anew")), other);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let tls = self_signed(folder.path(), &["localhost".to_owned()]).expect("made");
        assert_eq!(std::fs::metadata(tls.key).expect("written").permissions().mode() & 0o777, 0o600);
    }
}
