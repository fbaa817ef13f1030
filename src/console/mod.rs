//! The console: where data-protection officers, auditors, support and admins work.
//!
//! It **promises**
//! - every page works without a script; what somebody may not do is neither shown nor done ([`crate::officers::AUTHORITIES`]);
//! - whatever is done here, and every look at whom a request or a decision is about, is in the audit before it is done or shown;
//! - what people wrote is shown as text, wherever it stands.
//!
//! It **owns nothing**: it asks the rooms below, and calls the same verbs as the API.

mod comparison;
pub mod http;
mod light;
mod plot;
mod processing;

pub use comparison::{Piece, compare};
pub use light::Light;
pub use plot::{Plot, Point};
pub use processing::{Activity, Recipient, activities, kind, text};

use crate::session::{self, Opening, Sessions};
use crate::store::Batch;

/// Begins a session, and nothing else with it.
///
/// # Errors
/// What store, vault and chance say.
pub async fn begin(sessions: &Sessions, opening: Opening<'_>) -> Result<String, session::Error> {
    sessions.begin(opening, Batch::default()).await
}
