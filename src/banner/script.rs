//! The scripts as they are served: under a plain name for a few minutes, under a name that holds their digest for ever, and with notices in
//! them, made when they are asked for.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::EntityTag;
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use ring::digest::{SHA256, SHA384, digest};

/// How many digits of its digest stand in a script's pinned name, and in what browsers compare.
const DIGITS: usize = 16;
/// How many scripts with notices in them are kept ready: one for each source, notice and pair of languages.
pub(super) const KEPT_MAX: usize = 64;
/// The script that notices are put into.
const WHOLE: &str = include_str!("../../assets/banner/dist/whole.js");
const JS: &str = "text/javascript; charset=utf-8";

/// What is sent.
pub struct Content {
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: Bytes,
    /// The same, gzipped.
    pub gzipped: Bytes,
    /// By what a browser knows that it has it already. Weak, because both forms have the same.
    pub tag: EntityTag,
}

/// A file that pages load.
pub struct Script {
    /// Its plain name, such as `pforte.js`.
    pub name: &'static str,
    /// Its pinned name, such as `pforte-0123456789abcdef.js`.
    pub pinned: String,
    /// What a page may demand of it: `sha384-…`.
    pub integrity: String,
    /// What is sent.
    pub content: Content,
}

/// How a script was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its plain name: what it is may change.
    Plainly,
    /// By its digest: it never changes.
    ByDigest,
}

static SCRIPTS: LazyLock<[Script; 4]> = LazyLock::new(|| {
    [
        Script::new("pforte.js", JS, include_str!("../../assets/banner/dist/pforte.js")),
        Script::new("pforte.mjs", JS, include_str!("../../assets/banner/dist/pforte.mjs")),
        Script::new("pforte-banner.js", JS, include_str!("../../assets/banner/dist/banner.js")),
        Script::new("pforte.d.ts", "text/plain; charset=utf-8", include_str!("../../assets/banner/pforte.d.ts")),
    ]
});

static KEPT: LazyLock<Mutex<HashMap<String, Arc<Content>>>> = LazyLock::new(Mutex::default);

impl Content {
    fn new(media_type: &'static str, text: Bytes) -> Self {
        let tag = EntityTag::new_weak(digits(&text));
        Self { media_type, gzipped: gzip(&text), text, tag }
    }
}

impl Script {
    fn new(name: &'static str, media_type: &'static str, text: &'static str) -> Self {
        let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
        let pinned = format!("{stem}-{}.{ending}", digits(text.as_bytes()));
        let integrity = format!("sha384-{}", STANDARD.encode(digest(&SHA384, text.as_bytes())));
        Self { name, pinned, integrity, content: Content::new(media_type, Bytes::from_static(text.as_bytes())) }
    }
}

fn digits(text: &[u8]) -> String {
    let digits = hex::encode(digest(&SHA256, text));
    digits.get(..DIGITS).unwrap_or_default().to_owned()
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail; should it ever, the plain text is served.
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default().into()
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

/// The script that pages demand by its digest.
#[must_use]
pub fn classic() -> &'static Script {
    let [classic, ..] = &*SCRIPTS;
    classic
}

/// The script with banner in it, and what comes along, as JSON. Packing takes a millisecond, so the last ones are kept.
#[must_use]
pub(super) fn whole(along: String) -> Arc<Content> {
    if let Some(kept) = KEPT.lock().get(&along) {
        return Arc::clone(kept);
    }
    let text = format!("document.currentScript.pforte={along};\n{WHOLE}");
    let made = Arc::new(Content::new(JS, text.into()));
    let mut kept = KEPT.lock();
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(along, Arc::clone(&made));
    made
}
