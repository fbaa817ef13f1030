//! What is stored how long, and what goes when.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Error, Retention, Run};
use crate::clock::{Millis, rfc3339};
use crate::policy::Texts;

/// How many of those who are kept for a duty one page shows.
pub(super) const PEOPLE_MAX: usize = 100;

/// What is stored how long, and what goes when.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Purposes, and for how many days events are kept for each.
    #[schema(value_type = Object)]
    retention_days: BTreeMap<String, u32>,
    /// How many events of the profile store go in which month, if nothing is added.
    #[schema(value_type = Object)]
    events: BTreeMap<String, u64>,
    /// How many people and devices are known.
    people: usize,
    /// Of how many of them nothing is left to be kept: they go with the next run.
    people_over: usize,
    /// For how many years a consent can be proven after its end.
    proof_years: u16,
    /// What is kept because a law says so.
    duties: Vec<Held>,
    /// What the latest run came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<RunAnswer>,
}

/// What is kept for one duty until one day.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The duty.
    duty: String,
    /// The law.
    #[schema(value_type = Object)]
    law: Texts,
    /// The last day.
    until: String,
    /// Of how many people.
    people: usize,
    /// Whether the policy still has the duty. What was kept for it stays until its day either way.
    in_policy: bool,
}

/// What a run came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunAnswer {
    /// When it began.
    begun_at: String,
    /// When it ended; none while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// How many people were let go.
    people: u64,
    /// Of how many people what a duty had kept went.
    duties_ended: u64,
}

impl RunAnswer {
    fn of(run: &Run) -> Self {
        let Run { begun_at, ended_at, people, duties_ended, .. } = *run;
        Self { begun_at: rfc3339(begun_at), ended_at: ended_at.map(rfc3339), people, duties_ended }
    }
}

/// A record that is kept for a duty.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When the gateway received it.
    received_at: String,
    /// The source that sent it.
    origin: String,
    /// The last day.
    until: String,
    /// Whether the person was erased: then this is all that there is.
    erased: bool,
    /// The event as the profile store had it.
    #[schema(value_type = Object)]
    event: Box<serde_json::value::RawValue>,
}

/// A page of what is kept for a duty.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Records {
    /// Person by person.
    records: Vec<Record>,
    /// Where it goes on: to be sent as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Retention {
    /// What is stored how long, and what goes when. Looks through everybody, so not on a thread that must not block.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn overview(&self, at: Millis) -> Result<Overview, Error> {
        let (deps, policy) = (&self.deps, self.deps.policy.current());
        let (mut from, mut people_over) = (0, 0);
        loop {
            let (page, next) = deps.directory.page(from, super::PAGE);
            people_over += deps.left(&policy, page, at)?.len();
            if next == from {
                break;
            }
            from = next;
        }
        let mut duties = Vec::new();
        for (class, term) in deps.profiles.terms() {
            let in_policy = policy.duties.iter().any(|duty| duty.id == term.duty);
            let people = deps.profiles.held_count(class)?;
            duties.push(Held { duty: term.duty, law: term.law, until: term.until.to_string(), people, in_policy });
        }
        duties.sort_by(|a, b| (&a.duty, &a.until).cmp(&(&b.duty, &b.until)));
        let purposes = policy.purposes.iter().filter(|purpose| purpose.retention_days > 0);
        Ok(Overview {
            retention_days: purposes.map(|purpose| (purpose.id.clone(), purpose.retention_days)).collect(),
            events: deps.profiles.schedule(&policy),
            people: deps.directory.figures().subjects,
            people_over,
            proof_years: policy.proof_years,
            duties,
            latest: self.latest().as_ref().map(RunAnswer::of),
        })
    }

    /// What is kept for a duty, for whoever has to show it to an authority. `after` is what the page before gave as `next`.
    /// `None` if nothing is kept for it, or `after` is no place in it.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn records(&self, duty: &str, after: Option<&str>) -> Result<Option<Records>, Error> {
        let deps = &self.deps;
        // A pseudonym of this room's own: a subject's ID never leaves.
        let domain = deps.vault.domain("retention")?;
        let place = match after.map(|text| Some((text.get(..2)?, text.get(2..)?))) {
            None => None,
            Some(Some((class, id))) => {
                let (Ok(class), Some(id)) = (u8::from_str_radix(class, 16), crate::id::CustomerId::parse(id)) else {
                    return Ok(None);
                };
                Some((class, domain.subject(id)))
            }
            Some(None) => return Ok(None),
        };
        let classes = deps.profiles.terms().into_iter().filter(|(_, term)| term.duty == duty).map(|(class, _)| class);
        let mut answer: Option<Records> = None;
        for class in classes {
            let page = answer.get_or_insert_with(|| Records { records: Vec::new(), next: None });
            if place.is_some_and(|(passed, _)| class.0 < passed) {
                continue;
            }
            let after = place.filter(|(passed, _)| class.0 == *passed).map(|(_, subject)| subject);
            let people = deps.profiles.held(class, after, PEOPLE_MAX)?;
            for subject in &people {
                let erased = matches!(deps.vault.key(*subject), Err(crate::vault::Error::Shredded));
                deps.profiles.kept_in(*subject, class, |kept| {
                    let (received_at, until) = (rfc3339(kept.received_at), kept.term.until.to_string());
                    let event = serde_json::value::RawValue::from_string(kept.event.to_owned());
                    page.records.extend(event.ok().map(|event| Record {
                        received_at,
                        origin: kept.source.to_owned(),
                        until,
                        erased,
                        event,
                    }));
                    true
                })?;
            }
            if let Some(last) = people.last() {
                page.next = Some(format!("{:02x}{}", class.0, domain.customer(*last)));
                break;
            }
        }
        Ok(answer)
    }
}
