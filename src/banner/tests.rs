//! The scripts are what they say, and small.

use super::script::{KEPT_MAX, Named, Script, find, whole};

fn named(name: &str) -> &'static Script {
    find(name).unwrap().0
}

#[test]
fn a_script_is_found_by_its_name_and_by_the_digest_of_its_bytes() {
    for name in ["pforte.js", "pforte.mjs", "pforte-banner.js", "pforte.d.ts"] {
        let (script, kind) = find(name).unwrap();
        assert_eq!(kind, Named::Plainly);
        let (pinned, kind) = find(&script.pinned).unwrap();
        assert_eq!((pinned.name, kind), (name, Named::ByDigest));
        assert!(script.pinned.contains(&sha256(&script.content.text)[..16]), "{}", script.pinned);
    }
    for name in ["pforte", "pforte-0000000000000000.js", "pforte.jsx", "banner.js", ""] {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn the_loader_demands_the_very_banner_that_is_served() {
    let banner = named("pforte-banner.js");
    for loader in ["pforte.js", "pforte.mjs"] {
        let text = std::str::from_utf8(&named(loader).content.text).unwrap();
        assert!(text.contains(&format!("/{}", banner.pinned)), "{loader} asks for another banner; run assets/banner/build.mjs");
        assert!(text.contains(&banner.integrity), "{loader}");
    }
}

#[test]
fn the_loader_is_under_5_kb_and_all_of_it_under_13_kb() {
    let banner = named("pforte-banner.js").content.gzipped.len();
    for loader in ["pforte.js", "pforte.mjs"] {
        let bytes = named(loader).content.gzipped.len();
        assert!(bytes > 100 && bytes < 5_000, "{loader}: {bytes}");
        assert!(bytes + banner < 13_000, "{loader} and the banner: {}", bytes + banner);
    }
}

#[test]
fn with_notices_in_it_a_script_is_another_and_is_made_once() {
    let (none, one) = (whole(String::from("[]")), whole(String::from("[{}]")));
    assert!(
        none.text.starts_with(b"document.currentScript.pforte=[];\n")
            && one.text.starts_with(b"document.currentScript.pforte=[{}];\n")
    );
    assert_ne!(none.tag, one.tag);
    assert!(std::sync::Arc::ptr_eq(&none, &whole(String::from("[]"))));
    assert!(none.gzipped.len() < 10_000, "{}", none.gzipped.len());
    for n in 0..=KEPT_MAX {
        drop(whole(format!("[{n}]")));
    }
    assert_eq!(none.tag, whole(String::from("[]")).tag, "what is forgotten is made again");
}

fn sha256(text: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, text))
}
