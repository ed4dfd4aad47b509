//! The page: files that `cargo xtask dashboard` built and the compiler took into the binary. Where nothing was built the
//! server says so.

use std::borrow::Cow;

use super::{CHANGING, File};

/// What stands at `/` of a server without a page.
pub(super) const MISSING: &str = "this server was built without its page: run `cargo xtask dashboard` (it needs Node.js) \
                                  and build again; gRPC works";

/// Names that carry a hash of their content never change it.
const HASHED: &str = "public, max-age=31536000, immutable";

#[derive(rust_embed::Embed)]
#[folder = "../dashboard/dist"]
#[allow_missing = true]
struct Built;

/// Where a file of the page is looked up, by its path without the leading slash.
type Lookup = fn(&str) -> Option<Cow<'static, [u8]>>;

#[derive(Debug)]
pub(super) struct Page(Lookup);

impl Page {
    pub(super) fn built_in() -> Self {
        Self(|path| Built::get(&format!("page/{path}")).map(|file| file.data))
    }

    /// What is shown at `/`; `None`: the page was not built.
    pub(super) fn start(&self) -> Option<File> {
        self.file("/index.html")
    }

    pub(super) fn file(&self, path: &str) -> Option<File> {
        let path = path.strip_prefix('/')?;
        let media_type = media_type(path)?;
        let cache = if path.starts_with("assets/") { HASHED } else { CHANGING };
        Some(File { bytes: (self.0)(path)?.into_owned(), media_type, cache })
    }
}

/// The kinds of files that a page is made of.
fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE: Page = Page(|path| match path {
        "index.html" | "assets/app-1a2b.js" | "notes.txt" => Some(Cow::Borrowed(b"content")),
        _ => None,
    });

    #[test]
    fn hashed_files_are_kept_for_ever_and_the_start_is_asked_for_again() {
        assert_eq!(FAKE.file("/assets/app-1a2b.js").expect("a script").cache, HASHED);
        let start = FAKE.start().expect("a start");
        assert_eq!((start.cache, start.media_type), (CHANGING, "text/html; charset=utf-8"));
    }

    #[test]
    fn what_is_no_part_of_a_page_is_not_served() {
        for path in ["/", "/nothing.js", "/notes.txt", "/../Cargo.toml", "index.html"] {
            assert!(FAKE.file(path).is_none(), "{path}");
        }
        assert!(Page::built_in().file("/../../Cargo.toml").is_none());
    }
}
