//! What is asked, for which purpose, and who may receive it: `policies/` read, checked and compiled.
//!
//! It promises: a policy that does not lint does not load, and every finding names file, line and cure. It knows no person
//! and no event; it says what may be done with either.

mod again;
mod canonical;
pub mod cases;
mod compile;
mod diff;
mod duty;
mod erasure;
mod fair;
mod finding;
mod handle;
mod identifiers;
mod lint;
mod load;
pub mod model;
mod original;
mod plain;
mod preferences;
mod raw;
mod sign_in;
mod signals;
mod terms;
#[cfg(test)]
mod tests;
mod wording;

pub use again::read_again;
pub use canonical::hash;
pub use diff::{Change, Subject, diff};
pub use duty::Duty;
pub use erasure::{Erasure, Way};
pub use finding::{Finding, Severity};
pub use handle::Handle;
pub use identifiers::{Branches, Identifiers, Place, Places, Twig};
pub use load::{examine, load, load_after};
pub use model::{
    Button, ConsentForm, Controller, Destination, DestinationKind, IdentifierForm, IdentifierKind, IdentifierType, Layout,
    LegalBasis, Notice, NoticeText, PURPOSES_MAX, PartnerProfile, Policy, Purpose, Purposes, REQUEST_KINDS, Route, Source,
    SourceKind, Texts,
};
pub use original::{Original, OriginalController, OriginalPurpose};
pub use preferences::{Channel, ChannelKind, Choice, Frequency, PREFERENCES_MAX, Preference, PreferenceKind, date};
pub use sign_in::SignIn;
pub use signals::{Conflict, Gpc, Signals};
pub use terms::{Reach, Terms, TermsSet, Widening};
pub use wording::{ControllerShown, LayoutShown, PurposeShown, Wording};
