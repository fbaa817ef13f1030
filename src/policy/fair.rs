//! Rules against dark patterns: what a notice must not do to people. Each cites where it comes from.
//!
//! What can be told from the structure is an error; what is told from words is a warning, because words can be right in a way that no
//! list knows.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::finding::Findings;
use super::model::{Button, SourceKind, Texts};
use super::plain;
use super::raw::{NoticeFile, Parsed, Raw, RawLayout, Text};

/// More choices than this at once are too many.
const PURPOSES_AT_ONCE_MAX: usize = 8;

/// Words that put pressure on people, in small letters.
const STIRRING: &[(&str, &[&str])] = &[
    ("de", &["schade", "leider", "bitte helfen", "sie verpassen", "ohne ihre hilfe", "wir lieben", "unterstützen sie uns"]),
    ("en", &["sorry", "sadly", "please help", "miss out", "we love", "support us", "unfortunately"]),
];
/// Words after which nobody knows what is done, in small letters.
const VAGUE: &[(&str, &[&str])] = &[
    (
        "de",
        &[
            "ihr erlebnis",
            "nutzererlebnis",
            "bestmöglich",
            "und vieles mehr",
            "unter anderem",
            "usw.",
            "etc.",
            "neue dienste",
            "gegebenenfalls",
        ],
    ),
    (
        "en",
        &["your experience", "user experience", "best possible", "and more", "among other", "etc.", "new services", "possibly"],
    ),
];
/// Words that make consent a condition of something else, in small letters.
const CONDITIONAL: &[(&str, &[&str])] = &[
    (
        "de",
        &[
            "nur mit ihrer zustimmung können sie weiter",
            "um fortzufahren",
            "um weiterzulesen",
            "durch die weitere nutzung",
            "wenn sie weitersurfen",
            "müssen sie zustimmen",
        ],
    ),
    ("en", &["to continue", "by continuing", "by using this", "must agree", "have to accept", "if you keep browsing"]),
];
/// Words of which one says that a yes can be taken back, in small letters.
const WITHDRAWAL: &[(&str, &[&str])] = &[
    ("de", &["widerruf", "zurücknehmen", "jederzeit ändern", "jederzeit nein"]),
    ("en", &["withdraw", "at any time", "any time"]),
];

/// Checks all notices, and what people read of purposes.
pub(super) fn lint(raw: &Raw, findings: &mut Findings) {
    for (id, language, Parsed { from, value }) in &raw.notices {
        match &value.layout {
            Some(layout) => drawn(from, (layout.span(), layout.as_ref()), value, findings),
            None if is_drawn(raw, id) => {
                let words =
                    ("a notice that is drawn has no [layout], so nobody can tell how", "add [layout] with version and buttons");
                findings.warning(from, value.title.span(), "layout", words);
            }
            None => {}
        }
        if value.purposes.len() > PURPOSES_AT_ONCE_MAX {
            let message = format!("more than {PURPOSES_AT_ONCE_MAX} choices at once");
            findings.warning(
                from,
                value.version.span(),
                "overloading",
                (message, "ask for fewer (EDPB 03/2022: overloading, too many options)"),
            );
        }
        let body = value.body.as_ref().to_lowercase();
        if words(WITHDRAWAL, language).is_some_and(|list| !list.iter().any(|word| body.contains(word))) {
            let words = (
                "it does not say that a yes can be taken back",
                "say how, before they decide (GDPR Art. 7(3); EDPB 05/2020, section 5.2)",
            );
            findings.warning(from, value.body.span(), "withdrawal", words);
        }
        for text in [&value.title, &value.body] {
            read((from, language), text.span(), text.as_ref(), findings);
            listed((from, language), (text.span(), text.as_ref()), &CONDITIONS, findings);
        }
    }
    let Parsed { from, value } = &raw.sources;
    for source in value.source.iter().filter(|source| source.notice.is_some() && !source.records_decisions) {
        let words = (
            "whoever agrees here cannot take it back here",
            "set records_decisions, or ask elsewhere: taking back is as easy as giving (GDPR Art. 7(3); EDPB 05/2020, section 5.2)",
        );
        findings.warning(from, source.id.span(), "withdrawal", words);
    }
    let from = &raw.purposes.from;
    let asked = asked(raw);
    for purpose in raw.purposes.value.purpose.iter().filter(|purpose| asked.contains(purpose.id.as_ref().as_str())) {
        purpose_texts(from, &purpose.text, findings);
    }
}

fn purpose_texts(from: &Text, texts: &Spanned<Texts>, findings: &mut Findings) {
    for (language, text) in texts.as_ref() {
        read((from, language), texts.span(), text, findings);
    }
}

fn asked(raw: &Raw) -> BTreeSet<&str> {
    raw.notices.iter().flat_map(|(_, _, notice)| &notice.value.purposes).map(|purpose| purpose.as_ref().as_str()).collect()
}

/// Whether a page or an app shows it.
fn is_drawn(raw: &Raw, id: &str) -> bool {
    let shows = |kind| matches!(kind, SourceKind::Website | SourceKind::App);
    raw.sources.value.source.iter().any(|s| shows(s.kind) && s.notice.as_ref().is_some_and(|notice| notice.as_ref() == id))
}

/// What the layout does.
fn drawn(from: &Text, (span, layout): (Range<usize>, &RawLayout), notice: &NoticeFile, findings: &mut Findings) {
    for purpose in &layout.preselected {
        let words = (
            "consent that is preselected is none",
            "leave `preselected` empty (GDPR recital 32; CJEU C-673/17; EDPB 05/2020, section 3.4)",
        );
        findings.error(from, purpose.span(), "preselected", words);
    }
    let buttons = layout.buttons.as_ref().as_slice();
    let at = |button: Button| buttons.iter().position(|known| *known == button);
    let unique = buttons.iter().enumerate().all(|(place, button)| at(*button) == Some(place));
    if buttons.is_empty() || !unique {
        findings.error(from, span, "layout", ("the first layer has no buttons, or one of them twice", "name each once"));
        return;
    }
    let place = layout.buttons.span();
    let (accept, refuse, choose) = (at(Button::AcceptAll), at(Button::RefuseAll), at(Button::Choose));
    if refuse.is_none() {
        let words = (
            "refusing takes more clicks than agreeing",
            "put refuse_all on the first layer (CNIL 2020-091 and 2020-092; EDPB 03/2022: obstructing, longer than necessary)",
        );
        findings.error(from, place.clone(), "refuse-first-layer", words);
    }
    if choose.is_none() && notice.purposes.len() > 1 {
        let words = (
            "people can only agree to everything or to nothing",
            "add `choose`: consent is given for each purpose (GDPR recital 43; EDPB 05/2020, section 3.1.3)",
        );
        findings.error(from, place.clone(), "bundled", words);
    }
    if let (Some(accept), Some(refuse), Some(choose)) = (accept, refuse, choose)
        && (accept < choose && choose < refuse || refuse < choose && choose < accept)
    {
        let words = (
            "yes and no do not stand beside each other",
            "put accept_all and refuse_all side by side (EDPB 03/2022: stirring, hidden in plain sight)",
        );
        findings.warning(from, place, "side-by-side", words);
    }
}

/// A list of words, and what to say of one that is found.
struct Words {
    rule: &'static str,
    words: &'static [(&'static str, &'static [&'static str])],
    wrong: &'static str,
    cure: &'static str,
}

const PRESSURE: Words = Words {
    rule: "stirring",
    words: STIRRING,
    wrong: "appeals to feelings",
    cure: "say plainly what is done (EDPB 03/2022: stirring, emotional steering)",
};
const FOG: Words = Words {
    rule: "vague",
    words: VAGUE,
    wrong: "leaves open what is done",
    cure: "say what is done with which data (GDPR Art. 5(1)(b); EDPB 05/2020, section 3.2; EDPB 03/2022: left in the dark, ambiguous wording)",
};
const CONDITIONS: Words = Words {
    rule: "conditional",
    words: CONDITIONAL,
    wrong: "makes agreeing a condition of something else",
    cure: "leave it out: going on is no consent, and nothing may depend on it (GDPR Art. 7(4); EDPB 05/2020, sections 3.1.2 and 3.4)",
};

fn words<'a>(lists: &'a [(&str, &'a [&'a str])], language: &str) -> Option<&'a [&'a str]> {
    lists.iter().find(|(known, _)| language.starts_with(known)).map(|(_, list)| *list)
}

/// Whether people can read it.
fn read((from, language): (&Text, &str), span: Range<usize>, text: &str, findings: &mut Findings) {
    for obstacle in plain::obstacles(text, language) {
        let cure = "use shorter ones: clear and plain language (GDPR Art. 7(2), 12(1); EDPB 05/2020, section 3.3.2)";
        findings.warning(from, place(from, span.clone(), obstacle.begins()), "plain-language", (obstacle.to_string(), cure));
    }
    if text.contains('!') {
        let words = ("an exclamation mark", "ask, and do not shout (EDPB 03/2022: stirring, emotional steering)");
        findings.warning(from, place(from, span.clone(), "!"), "stirring", words);
    }
    for list in [&PRESSURE, &FOG] {
        listed((from, language), (span.clone(), text), list, findings);
    }
}

fn listed((from, language): (&Text, &str), (span, text): (Range<usize>, &str), list: &Words, findings: &mut Findings) {
    let lower = text.to_lowercase();
    for word in words(list.words, language).into_iter().flatten().filter(|word| contains(&lower, word)) {
        let message = format!("“{word}” {}", list.wrong);
        findings.warning(from, place(from, span.clone(), word), list.rule, (message, list.cure));
    }
}

/// Whether a text has these words, and not only as the middle of others.
fn contains(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| !text.get(..at).unwrap_or_default().ends_with(char::is_alphanumeric))
}

/// Where in the file something that a text holds stands; the text's own place if it is written differently there.
fn place(from: &Text, span: Range<usize>, needle: &str) -> Range<usize> {
    let written = from.text.get(span.clone()).unwrap_or_default();
    let found = written.find(needle).or_else(|| written.to_lowercase().find(&needle.to_lowercase()));
    found.filter(|_| !needle.is_empty()).map_or(span.clone(), |at| span.start + at..span.end)
}
