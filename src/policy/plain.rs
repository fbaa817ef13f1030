//! Whether a text is written so that people understand it: the length of sentences and words.
//!
//! The measure is a simple one on purpose: whoever reads a finding sees at once whether it is right. German joins words, so there a
//! longer one is usual, and the parts of a word with hyphens count by themselves.

use std::fmt;

/// The longest sentence that is easily read, in words. Leichte-Sprache and GOV.UK guides ask for less.
const SENTENCE_WORDS_MAX: usize = 25;
/// The longest word, in letters, and the same in German.
const WORD_LETTERS_MAX: usize = 16;
const WORD_LETTERS_MAX_DE: usize = 24;
/// Marks behind a full stop that ends no sentence.
const ABBREVIATIONS: &[&str] =
    &["z.", "b.", "d.", "h.", "u.", "a.", "abs.", "art.", "nr.", "bzw.", "usw.", "etc.", "e.g.", "i.e.", "no."];

/// What makes a text hard to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A sentence: how it begins, and how many words it has.
    Sentence(String, usize),
    /// A word, and how many letters it has.
    Word(String, usize),
}

impl Obstacle {
    /// The word with which it begins.
    pub(super) fn begins(&self) -> &str {
        match self {
            Self::Sentence(begins, _) | Self::Word(begins, _) => begins,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentence(begins, words) => write!(f, "the sentence that begins with “{begins}” has {words} words"),
            Self::Word(word, letters) => write!(f, "the word “{word}” has {letters} letters"),
        }
    }
}

/// What makes a text in this language hard to read, in order.
pub(super) fn obstacles(text: &str, language: &str) -> Vec<Obstacle> {
    let letters_max = if language.starts_with("de") { WORD_LETTERS_MAX_DE } else { WORD_LETTERS_MAX };
    let mut found = Vec::new();
    let mut sentence: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        found.extend(long(word, letters_max));
        sentence.push(word);
        if ends(word) {
            found.extend(too_long(&sentence));
            sentence.clear();
        }
    }
    found.extend(too_long(&sentence));
    found
}

fn too_long(sentence: &[&str]) -> Option<Obstacle> {
    let words = sentence.iter().filter(|word| word.contains(char::is_alphanumeric)).count();
    let begins = sentence.first().copied().unwrap_or_default();
    (words > SENTENCE_WORDS_MAX).then(|| Obstacle::Sentence(begins.to_owned(), words))
}

fn ends(word: &str) -> bool {
    let bare = word.trim_end_matches(['"', '“', '”', '’', ')']);
    let lower = bare.to_lowercase();
    bare.ends_with(['.', '!', '?', ':', ';']) && !ABBREVIATIONS.contains(&lower.as_str()) && !is_number(bare)
}

/// `8.` in German is an ordinal.
fn is_number(word: &str) -> bool {
    word.trim_end_matches('.').bytes().all(|byte| byte.is_ascii_digit())
}

fn long(word: &str, letters_max: usize) -> Option<Obstacle> {
    // Addresses are no words.
    if word.contains(['@', '/']) {
        return None;
    }
    let parts = word.split(['-', '\u{2013}']).map(|part| part.trim_matches(|c: char| !c.is_alphanumeric()));
    let longest = parts.max_by_key(|part| part.chars().count())?;
    let letters = longest.chars().count();
    (letters > letters_max).then(|| Obstacle::Word(longest.to_owned(), letters))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_long_is_found_and_what_is_usual_is_not() {
        let sentence = |count: usize| vec!["wir"; count].join(" ") + ".";
        assert_eq!(obstacles(&sentence(25), "de"), []);
        assert_eq!(obstacles(&format!("Kurz. {}", sentence(26)), "de"), [Obstacle::Sentence(String::from("wir"), 26)]);
        // Abbreviations and ordinals end no sentence; colons and semicolons do.
        assert_eq!(obstacles(&format!("Am 8. Mai z. B. nach Art. 7 Abs. 3 {}", sentence(18)), "de").len(), 1);
        assert_eq!(obstacles(&format!("Dafür: {}", sentence(25)), "de"), []);
        for (word, language, long) in [
            ("Datenschutzbeauftragte", "de", false),
            ("Einwilligungserklärungen,", "de", false),
            ("Einwilligungsverwaltungsplattform", "de", true),
            ("E-Mail-Marketing-Einwilligung", "de", false),
            ("personalisation", "en", false),
            ("pseudonymisations", "en", true),
            ("datenschutz@weinhaus-muster.example", "en", false),
            ("https://www.weinhaus-muster.example/datenschutzerklaerung", "en", false),
        ] {
            assert_eq!(!obstacles(word, language).is_empty(), long, "{word}");
        }
    }

    proptest! {
        #[test]
        fn joining_sentences_never_makes_a_text_easier(words in prop::collection::vec("[a-z]{1,9}", 1..60), cuts in prop::collection::vec(0..60_usize, 0..8)) {
            let text = |cuts: &[usize]| {
                words.iter().enumerate().map(|(n, word)| format!("{word}{} ", if cuts.contains(&n) { ";" } else { "" })).collect::<String>()
            };
            let longest = |text: &str| {
                let of = |obstacle: &Obstacle| match obstacle { Obstacle::Sentence(_, words) => *words, Obstacle::Word(..) => 0 };
                obstacles(text, "en").iter().map(of).max().unwrap_or(0)
            };
            prop_assert!(longest(&text(&cuts)) <= longest(&text(&[])));
            prop_assert_eq!(!obstacles(&text(&[]), "en").is_empty(), words.len() > SENTENCE_WORDS_MAX);
        }

        #[test]
        fn any_text_is_measured(text in any::<String>()) {
            obstacles(&text, "de");
        }
    }
}
