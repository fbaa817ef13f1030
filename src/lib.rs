//! Pforte: a privacy-focused consent and first-party identity gateway.

pub mod clock;
pub mod error;
pub mod events;
pub mod id;
pub mod policy;
