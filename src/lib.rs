//! Pforte.

pub mod clock;
pub mod error;
pub mod events;
pub mod id;
pub mod policy;
pub mod store;
