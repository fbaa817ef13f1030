//! Objects of an event that nobody has to take apart yet.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The text of a JSON object, as it was sent. Invariant: valid JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<'a>(Cow<'a, str>);

impl<'a> Object<'a> {
    /// An object that is part of a text that was proved valid, or is put together of such parts.
    pub(super) fn part(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a RawValue> for Object<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(Cow::Borrowed(raw.get()))
    }
}

impl From<Box<RawValue>> for Object<'_> {
    fn from(raw: Box<RawValue>) -> Self {
        Self(Cow::Owned(Box::<str>::from(raw).into_string()))
    }
}
