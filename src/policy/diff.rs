//! What changed between two policies, and whether people are asked again because of it.

use std::collections::BTreeSet;

use super::model::{Destination, LegalBasis, Notice, NoticeText, Policy, Purpose, Texts};
use super::terms::Widening;
use crate::texts::{Saying, Words, says, text_key};

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A purpose.
    Purpose,
    /// A notice.
    Notice,
    /// A recipient.
    Destination,
    /// A route.
    Route,
    /// A channel.
    Source,
    /// Something else that the policy says.
    Policy,
}

impl Subject {
    /// Its name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Notice => "notice",
            Self::Destination => "destination",
            Self::Route => "route",
            Self::Source => "source",
            Self::Policy => "policy",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn words(self, words: Words) -> String {
        words.say(text_key("policy-about-", self.name()))
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub about: Subject,
    /// Its ID; empty for the policy as a whole.
    pub id: String,
    /// Whether people are asked again.
    pub asks_again: bool,
    /// What changed.
    pub what: Saying,
    /// What comes of it, or what to do about it.
    pub so: Option<Saying>,
}

impl Change {
    /// What changed and what comes of it, in one sentence.
    #[must_use]
    pub fn words(&self, words: Words) -> String {
        let said = [Some(&self.what), self.so.as_ref()].into_iter().flatten().map(|saying| words.repeat(saying));
        said.collect::<Vec<_>>().join("; ")
    }
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, about: Subject, id: &str, what: Saying) {
        self.push(about, id, what, None);
    }

    fn push(&mut self, about: Subject, id: &str, what: Saying, so: Option<Saying>) {
        self.0.push(Change { about, id: id.to_owned(), asks_again: false, what, so });
    }

    fn asks(&mut self, about: Subject, id: &str, what: Saying, so: Option<Saying>) {
        self.0.push(Change { about, id: id.to_owned(), asks_again: true, what, so });
    }
}

/// Everything that changed from one policy to another, in the order of the files.
#[must_use]
pub fn diff(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut found = Changes(Vec::new());
    purposes(old, new, &mut found);
    notices(old, new, &mut found);
    destinations(old, new, &mut found);
    routes(old, new, &mut found);
    sources(old, new, &mut found);
    if old.linking.and_then(|i| old.purposes.get(i)).map(|p| &p.id)
        != new.linking.and_then(|i| new.purposes.get(i)).map(|p| &p.id)
    {
        found.add(Subject::Policy, "", says("policy-change-linking"));
    }
    if found.0.is_empty() && old.version != new.version {
        found.add(Subject::Policy, "", says("policy-change-else"));
    }
    found.0
}

/// Names in both, only in the new one, and only in the old one.
fn sorted<'a>(old: impl Iterator<Item = &'a String>, new: impl Iterator<Item = &'a String>) -> [BTreeSet<&'a String>; 3] {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.collect(), new.collect());
    [old.intersection(&new).copied().collect(), new.difference(&old).copied().collect(), old.difference(&new).copied().collect()]
}

fn purposes(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Purpose;
    let [both, added, gone] = sorted(old.terms.of.keys(), new.terms.of.keys());
    for id in added {
        match new.terms.of.get(id).map(|terms| terms.basis) {
            Some(LegalBasis::Consent) => {
                found.asks(about, id, says("policy-change-new"), Some(says("policy-so-nobody-was-asked")));
            }
            Some(LegalBasis::Contract | LegalBasis::LegalObligation | LegalBasis::LegitimateInterest) | None => {
                found.push(about, id, says("policy-change-new"), Some(says("policy-so-tell")));
            }
        }
    }
    for id in gone {
        found.push(about, id, says("policy-change-gone"), Some(says("policy-so-nothing-is-done")));
    }
    for id in both {
        let (Some(then), Some(now)) = (old.terms.of.get(id), new.terms.of.get(id)) else { continue };
        let wider = then.widened_by(now);
        // Where nobody is asked, nobody is asked again.
        let asked = now.basis == LegalBasis::Consent;
        for widening in &wider {
            if asked {
                found.asks(about, id, widening.says(), Some(waits(widening)));
            } else {
                found.push(about, id, widening.says(), Some(says("policy-so-must-be-told")));
            }
        }
        if wider.is_empty() && then != now {
            found.push(about, id, says("policy-change-narrower"), Some(says("policy-so-agreed-to-more")));
        }
        let find = |policy: &'_ Policy| policy.purpose(id).and_then(|index| policy.purposes.get(index).cloned());
        if let (Some(then), Some(now)) = (find(old), find(new)) {
            words(&then, &now, found);
        }
    }
}

/// What is not done as long as somebody has not agreed to more.
fn waits(widening: &Widening) -> Saying {
    widening.recipient().map_or_else(
        || says("policy-so-nothing-until"),
        |recipient| says("policy-so-recipient-until").with("recipient", recipient),
    )
}

/// What changed of a purpose besides its terms.
fn words(then: &Purpose, now: &Purpose, found: &mut Changes) {
    let (about, id) = (Subject::Purpose, now.id.as_str());
    let languages = |old: &Texts, new: &Texts| {
        let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        all.into_iter().filter(|language| old.get(*language) != new.get(*language)).cloned().collect::<Vec<_>>().join(", ")
    };
    let changed = [
        (says("policy-change-title"), languages(&then.title, &now.title)),
        (says("policy-change-text"), languages(&then.text, &now.text)),
    ];
    for (what, languages) in changed.into_iter().filter(|(_, languages)| !languages.is_empty()) {
        found.push(about, id, what.with("languages", languages), Some(says("policy-so-count-up")));
    }
    if then.consent_days != now.consent_days {
        found.push(about, id, says("policy-change-consent-days"), Some(says("policy-so-end-as-they-were")));
    }
    if then.categories != now.categories {
        found.add(about, id, says("policy-change-categories"));
    }
}

fn notices(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Notice;
    let [both, added, gone] = sorted(old.notices.iter().map(|n| &n.id), new.notices.iter().map(|n| &n.id));
    added.into_iter().for_each(|id| found.add(about, id, says("policy-change-new")));
    gone.into_iter()
        .for_each(|id| found.push(about, id, says("policy-change-gone"), Some(says("policy-so-what-was-recorded-stays"))));
    for id in both {
        let (Some(then), Some(now)) = (old.notice(id), new.notice(id)) else { continue };
        let (had, has) = (old.names(then.purposes), new.names(now.purposes));
        let more: Vec<&str> = has.iter().copied().filter(|purpose| !had.contains(purpose)).collect();
        if !more.is_empty() {
            found.asks(about, id, says("policy-change-asks-more").with("purposes", more.join(", ")), None);
        }
        let fewer: Vec<&str> = had.iter().copied().filter(|purpose| !has.contains(purpose)).collect();
        if !fewer.is_empty() {
            found.add(about, id, says("policy-change-asks-less").with("purposes", fewer.join(", ")));
        }
        if then.layout != now.layout {
            found.push(about, id, says("policy-change-layout"), uncounted(layout(then), layout(now)));
        }
        let other = |(language, text): &(&String, &NoticeText)| {
            then.languages.get(*language).is_none_or(|before| before.hash != text.hash)
        };
        let languages: Vec<&str> = now.languages.iter().filter(other).map(|(language, _)| language.as_str()).collect();
        if !languages.is_empty() {
            let what = says("policy-change-shown").with("languages", languages.join(", "));
            found.push(about, id, what, uncounted(Some(then.version), Some(now.version)));
        }
    }
}

fn layout(notice: &Notice) -> Option<u32> {
    notice.layout.as_ref().map(|layout| layout.version)
}

/// That a version should have been counted up.
fn uncounted(then: Option<u32>, now: Option<u32>) -> Option<Saying> {
    (then.is_some() && then == now).then(|| says("policy-so-uncounted"))
}

fn destinations(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Destination;
    let [both, added, gone] = sorted(old.destinations.iter().map(|d| &d.id), new.destinations.iter().map(|d| &d.id));
    added.into_iter().for_each(|id| found.push(about, id, says("policy-change-new"), Some(says("policy-so-see-purposes"))));
    gone.into_iter().for_each(|id| found.add(about, id, says("policy-change-gone")));
    for id in both {
        let (Some((_, then)), Some((_, now))) = (old.destination(id), new.destination(id)) else { continue };
        destination(old.names(then.purposes) != new.names(now.purposes), then, now, found);
    }
}

fn destination(uses: bool, then: &Destination, now: &Destination, found: &mut Changes) {
    let (about, id) = (Subject::Destination, now.id.as_str());
    if then.is_on() != now.is_on() {
        found.add(about, id, if now.is_on() { says("policy-change-on") } else { says("policy-change-off") });
    }
    if uses {
        found.push(about, id, says("policy-change-uses"), Some(says("policy-so-see-purposes")));
    }
    let more: Vec<&str> = now.fields.iter().filter(|field| !then.fields.contains(field)).map(String::as_str).collect();
    if !more.is_empty() {
        let what = says("policy-change-fields").with("fields", more.join(", "));
        found.push(about, id, what, Some(says("policy-so-say-the-data")));
    }
    if then.domain != now.domain {
        found.push(about, id, says("policy-change-domain"), Some(says("policy-so-other-ids")));
    }
    if then.kind != now.kind && then.is_on() == now.is_on() {
        found.push(about, id, says("policy-change-place"), Some(says("policy-so-another-id")));
    }
}

fn routes(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Route;
    let [both, added, gone] = sorted(old.routes.iter().map(|r| &r.id), new.routes.iter().map(|r| &r.id));
    added.into_iter().for_each(|id| found.add(about, id, says("policy-change-new")));
    gone.into_iter().for_each(|id| found.add(about, id, says("policy-change-gone")));
    for id in both {
        let said = |policy: &Policy| {
            let route = policy.routes.iter().find(|route| route.id == *id)?;
            let sources: Vec<String> = route.sources.iter().filter_map(|i| Some(policy.sources.get(*i)?.id.clone())).collect();
            let to = policy.destinations.get(route.destination)?.id.clone();
            let purposes: Vec<String> = policy.names(route.purposes).into_iter().map(str::to_owned).collect();
            Some((sources, to, purposes, route.types.clone(), route.events.clone(), route.drop.clone()))
        };
        if said(old) != said(new) {
            found.add(about, id, says("policy-change-leads"));
        }
    }
}

fn sources(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Source;
    let [both, added, gone] = sorted(old.sources.iter().map(|s| &s.id), new.sources.iter().map(|s| &s.id));
    added.into_iter().for_each(|id| found.add(about, id, says("policy-change-new")));
    gone.into_iter().for_each(|id| found.add(about, id, says("policy-change-gone")));
    for id in both {
        let (Some((_, then)), Some((_, now))) = (old.source(id), new.source(id)) else { continue };
        if then.notice != now.notice {
            found.add(about, id, says("policy-change-source-notice"));
        }
        if then.token_required != now.token_required {
            let needs = now.token_required;
            found.add(about, id, if needs { says("policy-change-token-on") } else { says("policy-change-token-off") });
        }
        if (then.records_decisions, then.trusted_consent_events) != (now.records_decisions, now.trusted_consent_events) {
            found.add(about, id, says("policy-change-records"));
        }
    }
}
