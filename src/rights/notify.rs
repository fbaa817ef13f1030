//! What recipients are told besides erasures: that processing is restricted or no longer is (GDPR Art. 18, 19), that the person
//! objects (Art. 21), and what was wrong (Art. 16, 19).

use serde_json::{Map, Value};

use super::request::{Fate, Kind, Recipient, Request, RequestId, State};
use super::{Error, Rights};
use crate::clock::Millis;
use crate::policy::{Destination, Policy, Way};

impl Rights {
    /// Ends a request for which nothing is waited any more. The caller holds the turn.
    pub(super) async fn settle(&self, id: RequestId, mut request: Request) -> Result<(), Error> {
        if request.state != State::Running || request.waits_for_recipients() {
            return Ok(());
        }
        request.close(State::Done);
        request.note(self.deps.clock.now(), "gateway", "done", None);
        self.save(id, &request).await
    }
}

impl Rights {
    /// What a message to a destination says besides what it is about and whom.
    pub(super) fn says(
        &self,
        policy: &Policy,
        destination: &Destination,
        request: &Request,
    ) -> Result<Map<String, Value>, Error> {
        let mut more = Map::new();
        match request.kind {
            Kind::Objection => {
                let purposes = request.purposes.iter().filter(|id| uses(policy, destination, id));
                more.insert(String::from("purposes"), purposes.map(String::as_str).collect());
            }
            Kind::Rectification => more = self.rectified(policy, destination, request)?,
            Kind::Erasure | Kind::Access | Kind::Portability | Kind::Restriction => {}
        }
        Ok(more)
    }
}

impl Recipient {
    /// A person of the company has to see to it, although it could be called.
    pub(super) const fn leave_to_a_person(&mut self) {
        if matches!(self.fate, Fate::Pending) {
            self.fate = Fate::Open;
        }
    }
}

impl Request {
    /// Begins to tell those who are to be told, each by what it offers.
    pub(super) fn begin_telling(&mut self, recipients: Vec<Recipient>, policy: &Policy, at: Millis) {
        self.telling_since = Some(at);
        self.recipients = recipients;
        for recipient in &mut self.recipients {
            let offered = policy.destination(&recipient.id).map(|(_, destination)| &destination.erasure.way);
            recipient.fate = Fate::told(offered);
            (recipient.at, recipient.next_at, recipient.failures, recipient.reason) = (at, at, 0, None);
            // What it takes orders for is erasures.
            recipient.order = None;
        }
    }

    /// When somebody is to be told next; `None` if nobody is.
    pub(super) fn next_telling(&self) -> Option<Millis> {
        self.recipients.iter().filter(|recipient| recipient.fate == Fate::Pending).map(|recipient| recipient.next_at).min()
    }

    /// Whether it was noted that this was done.
    pub(super) fn has(&self, what: &str) -> bool {
        self.acts.iter().any(|act| act.what == what)
    }

    /// What a message about it is called.
    pub(super) const fn message(&self) -> &'static str {
        match self.kind {
            Kind::Restriction if self.lifted => "customer.unrestrict",
            Kind::Restriction => "customer.restrict",
            Kind::Objection => "customer.object",
            Kind::Rectification => "customer.rectify",
            Kind::Erasure | Kind::Access | Kind::Portability => "customer.erase",
        }
    }

    /// Whether an objection is about what a recipient does; whoever has left the policy may do anything.
    pub(super) fn concerns(&self, policy: &Policy, recipient: &Recipient) -> bool {
        let destination = policy.destination(&recipient.id).map(|(_, destination)| destination);
        destination.is_none_or(|destination| self.purposes.iter().any(|id| uses(policy, destination, id)))
    }
}

fn uses(policy: &Policy, destination: &Destination, purpose: &str) -> bool {
    policy.purpose(purpose).is_some_and(|index| destination.purposes.has(index))
}

impl Fate {
    /// Where a recipient begins that is to be told of something else than an erasure. What is offered for erasures alone leaves it to a
    /// person.
    const fn told(way: Option<&Way>) -> Self {
        match way {
            Some(Way::Itself) => Self::Confirmed,
            Some(Way::Message { .. }) => Self::Pending,
            Some(Way::Unsupported) => Self::NotSupported,
            Some(Way::Manual | Way::OpenDsr { .. } | Way::Segment { .. }) | None => Self::Open,
        }
    }
}
