//! The scripts as they are served: under a plain name for a few minutes, and under a name that holds their digest for ever.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, SHA384, digest};

/// How many digits of its digest stand in a script's pinned name.
const NAME_DIGITS: usize = 16;

/// A file that pages load.
pub struct Script {
    /// Its plain name, such as `pforte.js`.
    pub name: &'static str,
    /// Its pinned name, such as `pforte-0123456789abcdef.js`.
    pub pinned: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The same, gzipped.
    pub gzipped: Vec<u8>,
    /// What a page may demand of it: `sha384-…`.
    pub integrity: String,
}

/// Whether an address names the bytes, and not just the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its plain name: what it is may change.
    Plainly,
    /// By its digest: it never changes.
    ByDigest,
}

static SCRIPTS: LazyLock<[Script; 4]> = LazyLock::new(|| {
    let js = "text/javascript; charset=utf-8";
    [
        Script::new("pforte.js", js, include_str!("../../assets/banner/dist/pforte.js")),
        Script::new("pforte.mjs", js, include_str!("../../assets/banner/dist/pforte.mjs")),
        Script::new("pforte-banner.js", js, include_str!("../../assets/banner/dist/banner.js")),
        Script::new("pforte.d.ts", "text/plain; charset=utf-8", include_str!("../../assets/banner/pforte.d.ts")),
    ]
});

impl Script {
    fn new(name: &'static str, media_type: &'static str, text: &'static str) -> Self {
        let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
        let digits = hex::encode(digest(&SHA256, text.as_bytes()));
        let pinned = format!("{stem}-{}.{ending}", digits.get(..NAME_DIGITS).unwrap_or_default());
        let integrity = format!("sha384-{}", STANDARD.encode(digest(&SHA384, text.as_bytes())));
        Self { name, pinned, media_type, text, gzipped: gzip(text), integrity }
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail; should it ever, the plain text is served.
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// The script of this name.
#[must_use]
pub fn find(name: &str) -> Option<(&'static Script, Named)> {
    SCRIPTS.iter().find_map(|script| match name {
        _ if name == script.pinned => Some((script, Named::ByDigest)),
        _ if name == script.name => Some((script, Named::Plainly)),
        _ => None,
    })
}

/// The script that most websites load.
#[must_use]
pub fn classic() -> &'static Script {
    let [classic, ..] = &*SCRIPTS;
    classic
}
