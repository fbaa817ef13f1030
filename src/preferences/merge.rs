//! What stands for somebody who is known as several: pure.
//!
//! Of a preference the newest statement counts, also if it takes something away. Of what was said about a channel the strictest counts: a
//! no stands against every yes, and the rarest limit against every other (P8).

use std::collections::BTreeMap;

use super::record::{Record, Said};
use super::value::kept_days;
use super::{Statement, Wish, channel_named};
use crate::clock::{DAY_MS, Millis};
use crate::policy::{ChannelKind, Policy};

/// For how many days a statement is kept that the policy has no preference for any more: time to notice that it went by mistake.
const ORPHANED_DAYS: u32 = 30;

/// When a statement has to go.
pub(super) fn ends(policy: &Policy, about: &str, said_at: Millis) -> Millis {
    said_at.saturating_add(Millis::from(kept_days(policy, about).unwrap_or(ORPHANED_DAYS)) * DAY_MS)
}

type Merged = (BTreeMap<String, Statement>, BTreeMap<ChannelKind, (Wish, Statement)>);

/// What stands of all records together; the first counts if two are of one moment.
pub(super) fn all<'a>(records: impl Iterator<Item = &'a Record>, policy: &Policy, at: Millis) -> Merged {
    let (mut preferences, mut channels): Merged = (BTreeMap::new(), BTreeMap::new());
    for record in records {
        for (about, said) in record.said.iter().filter(|(about, said)| ends(policy, about, said.at) > at) {
            match channel_named(about) {
                Some(kind) => channel(&mut channels, kind, said),
                None if policy.preference(about).is_some() && preferences.get(about).is_none_or(|other| other.at < said.at) => {
                    preferences.insert(about.clone(), statement(said));
                }
                None => {}
            }
        }
    }
    preferences.retain(|_, statement| !statement.value.is_null());
    (preferences, channels)
}

fn channel(channels: &mut BTreeMap<ChannelKind, (Wish, Statement)>, kind: ChannelKind, said: &Said) {
    let Ok(wish) = serde_json::from_value::<Wish>(said.value.clone()) else { return };
    match channels.get_mut(&kind) {
        None => _ = channels.insert(kind, (wish, statement(said))),
        Some((strictest, statement)) => {
            strictest.allowed &= wish.allowed;
            // No limit is less than any; rarer is more.
            strictest.at_most = strictest.at_most.max(wish.at_most);
            if said.at > statement.at {
                *statement = self::statement(said);
            }
        }
    }
}

fn statement(said: &Said) -> Statement {
    Statement { value: said.value.clone(), at: said.at, source: said.source.clone(), names: said.names.clone() }
}
