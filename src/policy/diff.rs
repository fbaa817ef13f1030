//! What changed between two policies, and whether people are asked again because of it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::model::{Destination, LegalBasis, Notice, Policy, Purpose, Texts};

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What it is about.
    pub about: Subject,
    /// Its ID; empty for the policy as a whole.
    pub id: String,
    /// Whether people are asked again.
    pub asks_again: bool,
    /// What changed, and what comes of it.
    pub words: String,
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, about: Subject, id: &str, words: impl Into<String>) {
        self.0.push(Change { about, id: id.to_owned(), asks_again: false, words: words.into() });
    }

    fn asks(&mut self, about: Subject, id: &str, words: impl Into<String>) {
        self.0.push(Change { about, id: id.to_owned(), asks_again: true, words: words.into() });
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
        found.add(Subject::Policy, "", "another purpose allows to join histories; it needs a grant of its own");
    }
    if found.0.is_empty() && old.version != new.version {
        found.add(Subject::Policy, "", "something changed that people are not shown and that decides nothing about purposes");
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
            Some(LegalBasis::Consent) => found.asks(about, id, "it is new: nobody has been asked for it"),
            Some(LegalBasis::Contract | LegalBasis::LegalObligation | LegalBasis::LegitimateInterest) | None => {
                found.add(about, id, "it is new and rests on something else than consent: people are told, not asked")
            }
        }
    }
    for id in gone {
        found.add(about, id, "it is gone: nothing is done for it any more");
    }
    for id in both {
        let (Some(then), Some(now)) = (old.terms.of.get(id), new.terms.of.get(id)) else { continue };
        let wider = then.widened_by(now);
        // Where nobody is asked, nobody is asked again.
        let asked = now.basis == LegalBasis::Consent;
        for widening in &wider {
            let waits = match widening.recipient() {
                Some(recipient) => format!("until somebody has agreed again, {recipient} gets nothing"),
                None => String::from("until somebody has agreed again, nothing is done for it"),
            };
            if asked {
                found.asks(about, id, format!("{widening}; {waits}"));
            } else {
                found.add(about, id, format!("{widening}; people must be told (Art. 13(3))"));
            }
        }
        if wider.is_empty() && then != now {
            found.add(about, id, "its terms became narrower: whoever agreed has agreed to that");
        }
        let find = |policy: &'_ Policy| policy.purpose(id).and_then(|index| policy.purposes.get(index).cloned());
        if let (Some(then), Some(now)) = (find(old), find(new)) {
            words(&then, &now, found);
        }
    }
}

/// What changed of a purpose besides its terms.
fn words(then: &Purpose, now: &Purpose, found: &mut Changes) {
    let (about, id) = (Subject::Purpose, now.id.as_str());
    let languages = |old: &Texts, new: &Texts| {
        let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        all.into_iter().filter(|language| old.get(*language) != new.get(*language)).cloned().collect::<Vec<_>>().join(", ")
    };
    for (what, languages) in [("title", languages(&then.title, &now.title)), ("text", languages(&then.text, &now.text))] {
        if !languages.is_empty() {
            let advice = "if it means something else now, count the purpose's `version` up";
            found.add(about, id, format!("its {what} changed ({languages}); {advice}"));
        }
    }
    if then.consent_days != now.consent_days {
        found.add(about, id, "how long a grant holds changed; grants that stand end when they were to end");
    }
    if then.categories != now.categories {
        found.add(about, id, "consent objects of SDKs mean it by other names");
    }
}

fn notices(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Notice;
    let [both, added, gone] = sorted(old.notices.iter().map(|n| &n.id), new.notices.iter().map(|n| &n.id));
    added.into_iter().for_each(|id| found.add(about, id, "it is new"));
    gone.into_iter().for_each(|id| found.add(about, id, "it is gone; what was recorded under it stays"));
    for id in both {
        let (Some(then), Some(now)) = (old.notice(id), new.notice(id)) else { continue };
        let (had, has) = (old.names(then.purposes), new.names(now.purposes));
        let more: Vec<&str> = has.iter().copied().filter(|purpose| !had.contains(purpose)).collect();
        if !more.is_empty() {
            found.asks(about, id, format!("it asks for more: {}", more.join(", ")));
        }
        let fewer: Vec<&str> = had.iter().copied().filter(|purpose| !has.contains(purpose)).collect();
        if !fewer.is_empty() {
            found.add(about, id, format!("it no longer asks for {}", fewer.join(", ")));
        }
        if then.layout != now.layout {
            found.add(about, id, format!("its layout changed{}", uncounted(layout(then), layout(now))));
        }
        let other = |(language, text): &(&String, &super::model::NoticeText)| {
            then.languages.get(*language).is_none_or(|before| before.hash != text.hash)
        };
        let languages: Vec<&str> = now.languages.iter().filter(other).map(|(language, _)| language.as_str()).collect();
        if !languages.is_empty() {
            let counted = uncounted(Some(then.version), Some(now.version));
            found.add(about, id, format!("what is shown changed ({}){counted}", languages.join(", ")));
        }
    }
}

fn layout(notice: &Notice) -> Option<u32> {
    notice.layout.as_ref().map(|layout| layout.version)
}

/// That a version should have been counted up.
fn uncounted(then: Option<u32>, now: Option<u32>) -> &'static str {
    if then.is_some() && then == now { ", and its version did not: count it up" } else { "" }
}

fn destinations(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Destination;
    let [both, added, gone] = sorted(old.destinations.iter().map(|d| &d.id), new.destinations.iter().map(|d| &d.id));
    added.into_iter().for_each(|id| found.add(about, id, "it is new; see the purposes that it uses events for"));
    gone.into_iter().for_each(|id| found.add(about, id, "it is gone"));
    for id in both {
        let (Some((_, then)), Some((_, now))) = (old.destination(id), new.destination(id)) else { continue };
        destination(old.names(then.purposes) != new.names(now.purposes), then, now, found);
    }
}

fn destination(uses: bool, then: &Destination, now: &Destination, found: &mut Changes) {
    let (about, id) = (Subject::Destination, now.id.as_str());
    if then.is_on() != now.is_on() {
        found.add(about, id, if now.is_on() { "it is switched on" } else { "it is switched off" });
    }
    if uses {
        found.add(about, id, "what it uses events for changed; see the purposes");
    }
    let more: Vec<&str> = now.fields.iter().filter(|field| !then.fields.contains(field)).map(String::as_str).collect();
    if !more.is_empty() {
        let advice = "if that is more than the purpose's `data` says, say it there";
        found.add(about, id, format!("it gets more fields: {}; {advice}", more.join(", ")));
    }
    if then.domain != now.domain {
        found.add(about, id, "it is in another pseudonymisation domain: customers have other IDs there");
    }
    if then.kind != now.kind && then.is_on() == now.is_on() {
        found.add(about, id, "where it receives changed; if that is somebody else, give it another ID");
    }
}

fn routes(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Route;
    let [both, added, gone] = sorted(old.routes.iter().map(|r| &r.id), new.routes.iter().map(|r| &r.id));
    added.into_iter().for_each(|id| found.add(about, id, "it is new"));
    gone.into_iter().for_each(|id| found.add(about, id, "it is gone"));
    for id in both {
        let said = |policy: &Policy| {
            let route = policy.routes.iter().find(|route| route.id == *id)?;
            let sources: Vec<String> = route.sources.iter().filter_map(|i| Some(policy.sources.get(*i)?.id.clone())).collect();
            let to = policy.destinations.get(route.destination)?.id.clone();
            let purposes: Vec<String> = policy.names(route.purposes).into_iter().map(str::to_owned).collect();
            Some((sources, to, purposes, route.types.clone(), route.events.clone(), route.drop.clone()))
        };
        if said(old) != said(new) {
            found.add(about, id, "which events it leads where, or for what, changed");
        }
    }
}

fn sources(old: &Policy, new: &Policy, found: &mut Changes) {
    let about = Subject::Source;
    let [both, added, gone] = sorted(old.sources.iter().map(|s| &s.id), new.sources.iter().map(|s| &s.id));
    added.into_iter().for_each(|id| found.add(about, id, "it is new"));
    gone.into_iter().for_each(|id| found.add(about, id, "it is gone"));
    for id in both {
        let (Some((_, then)), Some((_, now))) = (old.source(id), new.source(id)) else { continue };
        if then.notice != now.notice {
            found.add(about, id, "another notice is shown there");
        }
        if then.token_required != now.token_required {
            let words = if now.token_required { "decisions need a token now" } else { "decisions need no token any more" };
            found.add(about, id, words);
        }
        if (then.records_decisions, then.trusted_consent_events) != (now.records_decisions, now.trusted_consent_events) {
            found.add(about, id, "whether it records decisions changed");
        }
    }
}
