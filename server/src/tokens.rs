//! Bearer tokens and what they allow. They are kept as hashes and never shown: not in logs, not in errors, not by `Debug`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// Shorter ones could be guessed.
const SHORTEST: usize = 16;

/// What someone may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look, explain, steer.
    Viewer,
    /// Load and unload models, drain the server.
    Admin,
}

/// A token as it was given: a flag, a variable, a line of a file.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has at least {SHORTEST} characters, none of them a blank; `openssl rand -hex 24` makes one")]
pub struct BadToken;

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        let fine = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fine { Ok(Self(text.to_owned())) } else { Err(BadToken) }
    }
}

impl TryFrom<String> for Token {
    type Error = BadToken;

    fn try_from(text: String) -> Result<Self, BadToken> {
        text.parse()
    }
}

impl Token {
    /// The token in `file`, which holds nothing else.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no token.
    pub fn read(file: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(file).map_err(|error| TokensError::Read(file.to_owned(), error))?;
        text.parse().map_err(|bad| TokensError::Bad(file.to_owned(), 1, bad))
    }

    /// As a request carries it.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// What is wrong with a file of tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// It is not there, for example.
    #[error("cannot read {path}: {1}", path = .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// Anyone on this machine could read it.
    #[error("{path} can be read by others: chmod 600 it", path = .0.display())]
    Open(PathBuf),
    /// A line that is neither a token nor a comment.
    #[error("{path}, line {1}: write 'viewer TOKEN' or 'admin TOKEN'", path = .0.display())]
    Line(PathBuf, usize),
    /// A line whose token is none.
    #[error("{path}, line {1}: {2}", path = .0.display())]
    Bad(PathBuf, usize, #[source] BadToken),
    /// Nothing in it: the server would be open.
    #[error("{path} has no token: write 'viewer TOKEN' or 'admin TOKEN', one on each line", path = .0.display())]
    Empty(PathBuf),
}

/// The tokens of a server. Empty: it asks for none.
#[derive(Clone, Default)]
pub struct Tokens(Vec<(Role, [u8; 32])>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more.
    pub fn add(&mut self, role: Role, token: &Token) {
        self.0.push((role, hash(&token.0)));
    }

    /// The lines of `file`: `viewer TOKEN` or `admin TOKEN`, blank lines and those that begin with `#` left out.
    ///
    /// # Errors
    /// See [`TokensError`]; no error shows a token.
    pub fn read(file: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(file).map_err(|error| TokensError::Read(file.to_owned(), error))?;
        check_private(file)?;
        let mut tokens = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (role, token) = match line.split_once(char::is_whitespace) {
                Some(("viewer", token)) => (Role::Viewer, token),
                Some(("admin", token)) => (Role::Admin, token),
                _ => return Err(TokensError::Line(file.to_owned(), index + 1)),
            };
            let token = token.parse().map_err(|bad| TokensError::Bad(file.to_owned(), index + 1, bad))?;
            tokens.add(role, &token);
        }
        if tokens.is_empty() { Err(TokensError::Empty(file.to_owned())) } else { Ok(tokens) }
    }

    /// What the bearer of `token` may do; `None`: it is none of these. All are compared, and each as a whole: how long
    /// that takes says nothing about them.
    #[must_use]
    pub fn role(&self, token: &str) -> Option<Role> {
        let given = hash(token);
        let mut found = 0_u8;
        for (role, known) in &self.0 {
            let rank = if *role == Role::Admin { 2 } else { 1 };
            let same: Choice = known.ct_eq(&given);
            found.conditional_assign(&rank.max(found), same);
        }
        match found {
            0 => None,
            1 => Some(Role::Viewer),
            _ => Some(Role::Admin),
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(unix)]
fn check_private(file: &Path) -> Result<(), TokensError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).map_err(|error| TokensError::Read(file.to_owned(), error))?.permissions().mode();
    if mode & 0o007 == 0 { Ok(()) } else { Err(TokensError::Open(file.to_owned())) }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), TokensError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEWER: &str = "0123456789abcdef-viewer";
    const ADMIN: &str = "0123456789abcdef-admin";

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).expect("it is ours");
        private(&path, 0o600);
        (folder, path)
    }

    fn private(path: &Path, mode: u32) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        }
    }

    #[test]
    fn each_token_has_its_role_and_anything_else_has_none() {
        let (_folder, path) = file(&format!("# ours\nviewer {VIEWER}\n\nadmin   {ADMIN}\n"));
        let tokens = Tokens::read(&path).expect("fine");
        assert_eq!(tokens.role(VIEWER), Some(Role::Viewer));
        assert_eq!(tokens.role(ADMIN), Some(Role::Admin));
        for wrong in ["", "0123456789abcdef", "0123456789ABCDEF-admin", "0123456789abcdef-admin "] {
            assert_eq!(tokens.role(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_that_is_given_twice_allows_the_most() {
        let mut tokens = Tokens::default();
        for role in [Role::Admin, Role::Viewer] {
            tokens.add(role, &ADMIN.parse().expect("a token"));
        }
        assert_eq!(tokens.role(ADMIN), Some(Role::Admin));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_by_line_and_without_its_tokens() {
        for (text, part) in [
            (format!("owner {VIEWER}"), "line 1: write 'viewer TOKEN'"),
            (format!("viewer {VIEWER}\nadmin short"), "line 2: a token has at least 16"),
            ("# nothing".to_owned(), "has no token"),
        ] {
            let (_folder, path) = file(&text);
            let error = Tokens::read(&path).expect_err(part).to_string();
            assert!(error.contains(part) && !error.contains(VIEWER) && !error.contains("short"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everyone_may_read_is_refused() {
        let (_folder, path) = file(&format!("admin {ADMIN}"));
        private(&path, 0o644);
        assert!(matches!(Tokens::read(&path), Err(TokensError::Open(_))));
    }

    #[test]
    fn nothing_shows_a_token() {
        let token: Token = ADMIN.parse().expect("a token");
        let mut tokens = Tokens::default();
        tokens.add(Role::Admin, &token);
        assert!(!format!("{token:?} {tokens:?}").contains("0123"));
    }
}
