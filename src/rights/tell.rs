//! Telling recipients what a person asked for, each by what it offers.

use super::request::{Fate, Recipient, Request};
use super::{Error, RequestId, Rights, State};
use crate::clock::{DAY_MS, Millis};
use crate::forward::{Message, Told};
use crate::policy::{Policy, Way};

impl Rights {
    /// Tells recipients that are due, each by itself: one that does not answer holds up no other, nor anybody who decides. Gives when
    /// the next is due.
    pub(super) async fn tell(&self, id: RequestId) -> Result<Option<Millis>, Error> {
        let (policy, now) = (self.deps.policy.current(), self.deps.clock.now());
        let request = self.get(id)?;
        let pending = |recipient: &&Recipient| request.state == State::Running && recipient.fate == Fate::Pending;
        let mut came: Vec<(String, Told)> = Vec::new();
        for recipient in request.recipients.iter().filter(pending).filter(|recipient| recipient.next_at <= now) {
            came.push((recipient.id.clone(), self.tell_one(&policy, (id, &request), recipient).await));
        }
        let _turn = self.turn.lock().await;
        let before = (request.message(), request.telling_since);
        let mut request = self.get(id)?;
        if before != (request.message(), request.telling_since) {
            // It was about something else, such as a restriction that is lifted by now.
            return Ok(request.next_telling());
        }
        let at = self.deps.clock.now();
        for (name, told) in &came {
            let Some(recipient) = request.recipients.iter_mut().find(|r| r.id == *name && r.fate == Fate::Pending) else {
                continue;
            };
            let since = request.telling_since.or(request.shredded.map(|(_, at)| at)).unwrap_or(at);
            let days = policy.destination(name).map_or(0, |(_, destination)| destination.retry_days);
            recipient.take(*told, at, at.saturating_sub(since) > Millis::from(days) * DAY_MS);
            let (what, why) =
                (recipient.fate.act(), recipient.reason.clone().map_or_else(|| name.clone(), |r| format!("{name}: {r}")));
            if recipient.fate != Fate::Pending {
                request.note(at, "gateway", what, Some(&why));
            }
        }
        if !came.is_empty() {
            self.save(id, &request).await?;
            self.wake.notify_one();
        }
        Ok(request.next_telling())
    }

    /// Tells one recipient about all its customer IDs; the first that does not arrive ends it for now.
    async fn tell_one(&self, policy: &Policy, (id, request): (RequestId, &Request), recipient: &Recipient) -> Told {
        // It has left the policy meanwhile: nobody knows its address.
        let Some((_, destination)) = policy.destination(&recipient.id) else { return Told::Nowhere };
        let (kind, named) = (request.message(), id.to_string());
        let more = match self.says(policy, destination, request) {
            Ok(more) => more,
            Err(error) => {
                tracing::error!(%error, destination = destination.id, "it cannot be said what a recipient is to be told");
                return Told::Later("unavailable", self.deps.forwarder.later(recipient.failures));
            }
        };
        for customer in &recipient.customers {
            let message = Message { kind, request: &named, customer, more: more.clone() };
            let told = self.deps.forwarder.tell(destination, message, recipient.failures).await;
            if told != Told::Heard {
                return told;
            }
        }
        Told::Heard
    }
}

impl Recipient {
    /// Takes over what came of telling it. What cannot be told, or not for too long, is left to a person.
    fn take(&mut self, told: Told, at: Millis, is_too_old: bool) {
        self.at = at;
        match told {
            Told::Heard => (self.fate, self.reason) = (Fate::Delivered, None),
            Told::Nowhere => (self.fate, self.reason) = (Fate::Open, Some(String::from("no_address"))),
            Told::Refused(reason) => (self.fate, self.reason) = (Fate::Failed, Some(reason.to_owned())),
            Told::Later(reason, next_at) => {
                self.failures = self.failures.saturating_add(1);
                self.next_at = next_at;
                self.reason = Some(reason.to_owned());
                if is_too_old {
                    self.fate = Fate::Failed;
                }
            }
        }
    }
}

impl Fate {
    /// Where a recipient begins that offers this; `None`: it has left the policy.
    pub(super) const fn first(way: Option<&Way>) -> Self {
        match way {
            Some(Way::Itself) => Self::Confirmed,
            Some(Way::Message { .. }) => Self::Pending,
            Some(Way::Unsupported) => Self::NotSupported,
            Some(Way::Manual | Way::OpenDsr { .. } | Way::Segment { .. }) | None => Self::Open,
        }
    }

    const fn act(self) -> &'static str {
        match self {
            Self::Delivered => "recipient_told",
            Self::Signed => "recipient_signed",
            Self::Confirmed | Self::Pending | Self::Open | Self::ConfirmedByHand | Self::Failed | Self::NotSupported => {
                "recipient_not_told"
            }
        }
    }
}
