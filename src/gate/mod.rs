//! The gate: the pure function from (event, standing, route) to *forward what* or *withhold why*.
//!
//! It **promises** that an event leaves for a destination only if every purpose of the route is allowed right now (P1); that
//! what leaves holds no e-mail address, phone number or other identifier that the event states, except in the form that the
//! destination's contract names (P3); and that each outcome has a reason, as a code and as a sentence (P9).
//!
//! It **refuses to know** stores, clocks and networks: everything comes in as a value, so the same answer can be asked for
//! again, by a test, by `explain`, and at dispatch.
//!
//! What [`redact`] cannot detect stands in its own documentation.

pub mod agent;
mod consent;
pub mod decide;
pub mod explain;
pub mod fields;
pub mod form;
pub mod reason;
pub mod redact;
pub mod shape;
mod transcode;
mod walk;

#[cfg(test)]
mod tests;

pub use decide::{NO_ROUTE, Question, Verdict, Withheld, allowed, decide_for, decide_into};
pub use explain::{Explanation, explain};
pub use reason::Reason;
pub use shape::{Parcel, Preferred, ShapeError, shape};
