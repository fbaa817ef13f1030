//! What a browser remembers of a decision, for scripts of the page and for the next time it asks. It holds no ID.

use std::fmt;

/// The form of the cookie; another one is not read.
const FORM: &str = "1";
/// The longest that is looked at.
const CHARS_MAX: usize = 2_048;

/// What was decided, as it stands in the cookie: `form:notice:version:terms:day of the decision:day of the last look:granted purposes:types of
/// Consent Mode:refused purposes:terms of the last look`. Scripts of pages read it, so everything keeps its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The notice that was shown.
    pub(super) notice: String,
    /// Its version.
    pub(super) version: u32,
    /// The tag of the terms that were in force. Cookies of earlier days have none: what they remember was said to nobody knows what.
    pub(super) terms: Option<u64>,
    /// When it was decided, in days since 1970.
    pub(super) decided: i64,
    /// When the browser last asked whether something has changed, in days since 1970.
    pub(super) looked: i64,
    /// The purposes that are granted.
    pub(super) granted: Vec<String>,
    /// The types of Google Consent Mode that are granted.
    pub(super) types: Vec<String>,
    /// The purposes that were refused.
    pub(super) refused: Vec<String>,
    /// The tag of the terms that were in force when the browser last asked: what is granted was measured by them.
    pub(super) known: Option<u64>,
}

impl Choice {
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
            terms: tag(next()?),
            decided: next()?.parse().ok()?,
            looked: next()?.parse().ok()?,
            granted: list(next()?),
            types: list(next()?),
            refused: next().map(list).unwrap_or_default(),
            known: next().and_then(tag),
        })
    }
}

/// The tag of terms, as it is written here.
fn tag(text: &str) -> Option<u64> {
    let is_tag = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| is_tag)
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { notice, version, terms, decided, looked, .. } = self;
        let [terms, known] = [terms, &self.known].map(|tag| tag.map(|tag| format!("{tag:016x}")).unwrap_or_default());
        let [granted, types, refused] = [&self.granted, &self.types, &self.refused].map(|list| list.join("+"));
        write!(f, "{FORM}:{notice}:{version}:{terms}:{decided}:{looked}:{granted}:{types}:{refused}:{known}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            notice in "[a-z0-9_-]{0,12}", version: u32, terms: Option<u64>, decided in -9_i64..99_999, looked: i64,
            granted in proptest::collection::vec("[a-z_]{1,9}", 0..5), types in proptest::collection::vec("[a-z_]{1,9}", 0..3),
            refused in proptest::collection::vec("[a-z_]{1,9}", 0..5), known: Option<u64>,
        ) {
            let choice = Choice { notice, version, terms, decided, looked, granted, types, refused, known };
            prop_assert_eq!(Choice::parse(&choice.to_string()), Some(choice));
        }

        #[test]
        fn of_an_earlier_cookie_no_refusal_is_read(hash in "[0-9a-f]{8}", granted in "[a-z]{0,9}") {
            let choice = Choice::parse(&format!("1:web-banner:1:{hash}:20000:20001:{granted}:")).unwrap();
            prop_assert_eq!((choice.terms, choice.refused.len(), choice.looked), (None, 0, 20001));
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
