//! What is asked, for which purpose, and who may receive it.

pub mod model;

pub use model::{
    Controller, Destination, DestinationKind, IdentifierForm, IdentifierKind, IdentifierType, LegalBasis, Notice, NoticeText,
    PURPOSES_MAX, PartnerProfile, Policy, Purpose, Purposes, Route, Source, SourceKind, Texts,
};
