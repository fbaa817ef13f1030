//! Telling recipients what a person asked for, each by what it offers.

use futures_util::future::join_all;

use super::opendsr::further;
use super::request::{Fate, Recipient, Request};
use super::{Error, Kind, RequestId, Rights, State};
use crate::clock::{DAY_MS, Millis};
use crate::forward::{Message, Told};
use crate::policy::{Policy, Way};

/// How long a recipient that has taken an order may take to do it: the month that the law gives, and some days.
const ANSWER_DAYS: Millis = 35;

/// What came of telling a recipient once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It has heard, and that is all that it offers.
    Heard,
    /// Nobody knows where to tell it.
    Nowhere,
    /// It will never hear it like this.
    Refused(&'static str),
    /// It may hear it later; not before then.
    Later(&'static str, Millis),
    /// It has an order of this name and is at work; it is asked again then.
    Waits {
        /// The order's name there.
        id: String,
        /// In its words.
        status: String,
        /// When to ask again.
        next_at: Millis,
    },
    /// It says that it is done.
    Done {
        /// In its words.
        status: String,
        /// Whether it has signed that.
        signed: bool,
    },
    /// It says that it is not done and will not be.
    Undone {
        /// In its words.
        status: String,
    },
}

impl Rights {
    /// Tells recipients that are due, each by itself: one that does not answer holds up no other, nor anybody who decides. Gives when
    /// the next is due.
    pub(super) async fn tell(&self, id: RequestId) -> Result<Option<Millis>, Error> {
        let (policy, now) = (self.deps.policy.current(), self.deps.clock.now());
        let request = self.get(id)?;
        let pending = |recipient: &&Recipient| request.state == State::Running && recipient.fate == Fate::Pending;
        let due = request.recipients.iter().filter(pending).filter(|recipient| recipient.next_at <= now);
        let came = join_all(due.map(async |recipient| {
            let came = self.tell_one(&policy, (id, &request), recipient).await;
            (recipient.id.clone(), came)
        }));
        let came = came.await;
        let _turn = self.turn.lock().await;
        let before = (request.message(), request.telling_since);
        let mut request = self.get(id)?;
        if before != (request.message(), request.telling_since) {
            // It was about something else, such as a restriction that is lifted by now.
            return Ok(request.next_telling());
        }
        let at = self.deps.clock.now();
        let any = !came.is_empty();
        for (name, came) in came {
            self.take_over(&mut request, &name, came, at);
        }
        if any {
            self.save(id, &request).await?;
            self.wake.notify_one();
        }
        Ok(request.next_telling())
    }

    async fn tell_one(&self, policy: &Policy, (id, request): (RequestId, &Request), recipient: &Recipient) -> Came {
        // It has left the policy meanwhile: nobody knows its address.
        let Some((_, destination)) = policy.destination(&recipient.id) else { return Came::Nowhere };
        match &destination.erasure.way {
            Way::OpenDsr { .. } if request.kind == Kind::Erasure => return self.order(policy, (id, request), recipient).await,
            Way::Segment { .. } if request.kind == Kind::Erasure => return self.regulate(destination, recipient).await,
            Way::Message { .. } => {}
            Way::Itself | Way::Manual | Way::Unsupported | Way::OpenDsr { .. } | Way::Segment { .. } => return Came::Nowhere,
        }
        // The first customer ID that does not arrive ends it for now.
        let (kind, named) = (request.message(), id.to_string());
        let more = match self.says(policy, destination, request) {
            Ok(more) => more,
            Err(error) => {
                tracing::error!(%error, destination = destination.id, "it cannot be said what a recipient is to be told");
                return Came::Later("unavailable", self.deps.forwarder.later(recipient.failures));
            }
        };
        for customer in &recipient.customers {
            let message = Message { kind, request: &named, customer, more: more.clone() };
            match self.deps.forwarder.tell(destination, message, recipient.failures).await {
                Told::Heard => {}
                Told::Nowhere => return Came::Nowhere,
                Told::Refused(reason) => return Came::Refused(reason),
                Told::Later(reason, next_at) => return Came::Later(reason, next_at),
            }
        }
        Came::Heard
    }

    /// Notes what came of telling a recipient, if it is still waited for.
    pub(super) fn take_over(&self, request: &mut Request, name: &str, came: Came, at: Millis) {
        let policy = self.deps.policy.current();
        let days = policy.destination(name).map_or(0, |(_, destination)| Millis::from(destination.retry_days));
        let since = request.telling_since.or(request.shredded.map(|(_, at)| at)).unwrap_or(at);
        let Some(recipient) = request.recipients.iter_mut().find(|r| r.id == name && r.fate.is_waited_for()) else { return };
        let before = recipient.fate;
        recipient.take(came, at, (since, days));
        let (fate, reason) = (recipient.fate, recipient.reason.clone());
        if fate != before {
            let why = reason.map_or_else(|| name.to_owned(), |reason| format!("{name}: {reason}"));
            request.note(at, "gateway", fate.act(), Some(&why));
        }
    }
}

impl Recipient {
    /// Takes over what came of telling it. What cannot be told, or not for too long, is left to a person.
    fn take(&mut self, came: Came, at: Millis, (since, days): (Millis, Millis)) {
        // Whom a person was told to look after can only end well: what comes late is heard, but begins nothing again.
        if self.fate != Fate::Pending && !matches!(came, Came::Done { .. }) {
            return;
        }
        self.at = at;
        let taken_at = self.order.as_ref().and_then(|order| order.taken_at);
        let (since, days) = taken_at.map_or((since, days), |taken_at| (taken_at, ANSWER_DAYS));
        let is_too_old = at.saturating_sub(since) > days * DAY_MS;
        match came {
            Came::Heard => (self.fate, self.reason) = (Fate::Delivered, None),
            Came::Nowhere => (self.fate, self.reason) = (Fate::Open, Some(String::from("no_address"))),
            Came::Refused(reason) => (self.fate, self.reason) = (Fate::Failed, Some(reason.to_owned())),
            Came::Later(reason, next_at) => {
                self.failures = self.failures.saturating_add(1);
                self.next_at = next_at;
                self.reason = Some(reason.to_owned());
                if is_too_old {
                    self.fate = Fate::Failed;
                }
            }
            Came::Waits { id, status, next_at } => {
                let order = self.order.get_or_insert_default();
                order.taken_at.get_or_insert(at);
                order.status = Some(further(order.status.take(), status));
                order.id = id;
                (self.failures, self.next_at, self.reason) = (0, next_at, None);
                if is_too_old {
                    (self.fate, self.reason) = (Fate::Failed, Some(String::from("no_answer")));
                }
            }
            Came::Done { status, signed } => {
                let order = self.order.get_or_insert_default();
                order.taken_at.get_or_insert(at);
                order.status = Some(status);
                (self.fate, self.reason) = (if signed { Fate::Signed } else { Fate::Delivered }, None);
            }
            Came::Undone { status } => {
                self.order.get_or_insert_default().status = Some(status);
                (self.fate, self.reason) = (Fate::Failed, Some(String::from("not_done_there")));
            }
        }
    }
}

impl Fate {
    /// Where a recipient begins that offers this; `None`: it has left the policy.
    pub(super) const fn first(way: Option<&Way>) -> Self {
        match way {
            Some(Way::Itself) => Self::Confirmed,
            Some(Way::Message { .. } | Way::OpenDsr { .. } | Way::Segment { .. }) => Self::Pending,
            Some(Way::Unsupported) => Self::NotSupported,
            Some(Way::Manual) | None => Self::Open,
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
