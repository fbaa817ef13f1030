//! What websites load: the script that asks for consent and sends events, and a demo shop that uses it.
//!
//! Promises: the script loads nothing from anywhere but this gateway; a pinned address serves the same bytes for ever, and the digest
//! that a page may demand (subresource integrity) is that of the bytes that are served. Sources are in `assets/banner/`, what is served
//! in its `dist/`; a test fails when the two differ. What lies in caches is the same for everybody who has not decided: no token and
//! nobody's decision. The room owns no data and knows nobody.

pub mod http;
mod script;
#[cfg(test)]
mod tests;

pub use script::{Content, Script, classic, find};
