//! What a browser remembers of a decision, for scripts of the page and for the next time it asks. It holds no ID.

use std::fmt;

use crate::policy::Notice;

/// The form of the cookie; another one is not read.
const FORM: &str = "1";
/// The longest that is looked at.
const CHARS_MAX: usize = 2_048;

/// What was decided, as it stands in the cookie: `form:notice:version:hash:day of the decision:day of the last look:purposes:types of Consent Mode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The notice that was shown.
    pub(super) notice: String,
    /// Its version.
    pub(super) version: u32,
    /// The beginning of its hash.
    pub(super) hash: String,
    /// When it was decided, in days since 1970.
    pub(super) decided: i64,
    /// When the browser last asked whether something has changed, in days since 1970.
    pub(super) looked: i64,
    /// The purposes that are granted.
    pub(super) granted: Vec<String>,
    /// The types of Google Consent Mode that are granted.
    pub(super) types: Vec<String>,
}

impl Choice {
    /// How much of a notice's hash is kept.
    pub(super) const HASH_CHARS: usize = 8;

    /// Whether what was shown is what would be shown now.
    pub(super) fn is_about(&self, notice: &Notice) -> bool {
        let same = |hash: &str| hash.get(..Self::HASH_CHARS) == Some(self.hash.as_str());
        self.notice == notice.id && notice.languages.values().any(|text| same(&text.hash))
    }

    /// Reads it; `None` if it is of no known form. Whoever has the browser can write what they like into it: it decides nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ":+-_.".contains(c);
        if text.len() > CHARS_MAX || !text.chars().all(plain) {
            return None;
        }
        let mut fields = text.split(':');
        let mut next = || fields.next();
        if next()? != FORM {
            return None;
        }
        let list = |text: &str| text.split('+').filter(|one| !one.is_empty()).map(str::to_owned).collect();
        Some(Self {
            notice: next()?.to_owned(),
            version: next()?.parse().ok()?,
            hash: next()?.to_owned(),
            decided: next()?.parse().ok()?,
            looked: next()?.parse().ok()?,
            granted: list(next()?),
            types: list(next()?),
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { notice, version, hash, decided, looked, granted, types } = self;
        write!(f, "{FORM}:{notice}:{version}:{hash}:{decided}:{looked}:{}:{}", granted.join("+"), types.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            notice in "[a-z0-9_-]{0,12}", version: u32, hash in "[0-9a-f]{0,8}", decided in -9_i64..99_999, looked: i64,
            granted in proptest::collection::vec("[a-z_]{1,9}", 0..5), types in proptest::collection::vec("[a-z_]{1,9}", 0..3),
        ) {
            let choice = Choice { notice, version, hash, decided, looked, granted, types };
            prop_assert_eq!(Choice::parse(&choice.to_string()), Some(choice));
        }

        #[test]
        fn nothing_breaks_the_reading_and_nothing_odd_is_written_again(text in ".{0,80}", mut fields in proptest::collection::vec("[ -~]{0,9}", 0..9)) {
            fields.insert(0, FORM.to_owned());
            for text in [text, fields.join(":")] {
                if let Some(choice) = Choice::parse(&text) {
                    prop_assert!(choice.to_string().bytes().all(|b| b.is_ascii_graphic() && !b";,\"\\".contains(&b)));
                }
            }
        }
    }
}
