//! What of a text is gone and what is new, word by word.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// How long the shortest way from one text to the other is looked for. Notices take no millisecond.
const PATIENCE: Duration = Duration::from_millis(200);

/// A piece of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// In both.
    Same(String),
    /// In the old one alone.
    Gone(String),
    /// In the new one alone.
    New(String),
}

/// Two texts as one: what is the same or gone is the old one, what is the same or new is the new one.
#[must_use]
pub fn compare(old: &str, new: &str) -> Vec<Piece> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_words(old, new);
    let changes: Vec<(ChangeTag, &str)> = diff.iter_all_changes().map(|change| (change.tag(), change.value())).collect();
    let mut all = Pieces::default();
    for (at, (tag, word)) in changes.iter().enumerate() {
        match tag {
            ChangeTag::Delete => all.gone.push_str(word),
            ChangeTag::Insert => all.new.push_str(word),
            ChangeTag::Equal => {
                let next = changes.get(at + 1).map(|(tag, _)| *tag);
                all.same(word, next.is_some_and(|tag| tag != ChangeTag::Equal));
            }
        }
    }
    all.close();
    all.closed
}

/// What was found, and what goes on to change.
#[derive(Default)]
struct Pieces {
    closed: Vec<Piece>,
    gone: String,
    new: String,
}

impl Pieces {
    /// A word that both have. A space between two words that changed belongs to the change: people read sentences, not words.
    fn same(&mut self, word: &str, changes_go_on: bool) {
        let is_open = !self.gone.is_empty() || !self.new.is_empty();
        if is_open && changes_go_on && word.trim().is_empty() {
            self.gone.push_str(word);
            self.new.push_str(word);
            return;
        }
        self.close();
        if let Some(Piece::Same(text)) = self.closed.last_mut() {
            text.push_str(word);
        } else {
            self.closed.push(Piece::Same(word.to_owned()));
        }
    }

    fn close(&mut self) {
        let (gone, new) = (std::mem::take(&mut self.gone), std::mem::take(&mut self.new));
        self.closed.extend((!gone.is_empty()).then_some(Piece::Gone(gone)));
        self.closed.extend((!new.is_empty()).then_some(Piece::New(new)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sides(pieces: &[Piece]) -> (String, String) {
        let (mut old, mut new) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Same(text) => {
                    old.push_str(text);
                    new.push_str(text);
                }
                Piece::Gone(text) => old.push_str(text),
                Piece::New(text) => new.push_str(text),
            }
        }
        (old, new)
    }

    #[test]
    fn what_changed_is_told_in_words() {
        let (gone, new) = (|text: &str| Piece::Gone(text.to_owned()), |text: &str| Piece::New(text.to_owned()));
        let same = |text: &str| Piece::Same(text.to_owned());
        let found = compare("Wir zählen, welche Seiten Sie ansehen.", "Wir merken uns, welche Seiten und Weine Sie ansehen.");
        let expected =
            [same("Wir "), gone("zählen,"), new("merken uns,"), same(" welche Seiten "), new("und Weine "), same("Sie ansehen.")];
        assert_eq!(found, expected);
        assert_eq!(compare("ein Nein hat Nachteile", "ein klares Ja bringt Vorteile").len(), 3, "a sentence is not chopped up");
        assert_eq!(compare("", "neu"), [new("neu")]);
        assert_eq!(compare("alt", ""), [gone("alt")]);
        assert_eq!(compare("gleich viel", "gleich viel"), [same("gleich viel")]);
        assert_eq!(compare("", ""), []);
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_off(old in "[abä \n]{0,40}", new in "[abä \n]{0,40}") {
            let found = compare(&old, &new);
            prop_assert_eq!(sides(&found), (old.clone(), new.clone()));
            prop_assert_eq!(found.iter().all(|piece| matches!(piece, Piece::Same(_))), old == new);
        }
    }
}
