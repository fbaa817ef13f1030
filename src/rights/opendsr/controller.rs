//! We tell recipients: one request per recipient and erasure, under an ID of its own that is stored before anything is sent. What comes
//! back, as an answer, when asked again or as a callback, counts if the recipient's certificate holds and its signature fits the raw body.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::peer::{KNOWN_MS, Processor, Signed, Trouble, processor};
use super::{API_VERSION, CALLBACKS, Status, word};
use crate::clock::{Chance, Millis, NoChance, rfc3339};
use crate::egress::Verb;
use crate::gate::form;
use crate::policy::{Destination, IdentifierForm, IdentifierKind, Policy, Way};
use crate::rights::request::{Recipient, Request};
use crate::rights::tell::Came;
use crate::rights::{Error, RequestId, Rights, State};

/// What a recipient was given to do, where it keeps requests of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its name there. `OpenDSR`: the `subject_request_id`, ours, made before anything is sent. Segment: the regulation's ID, theirs.
    pub id: String,
    /// What comes back under our callback URL must carry this; nobody can guess it.
    pub token: String,
    /// Since when the recipient has it.
    pub taken_at: Option<Millis>,
    /// Where it is there, in the recipient's words.
    pub status: Option<String>,
}

impl Order {
    /// An order that is to be given.
    pub(in crate::rights) fn new(way: Option<&Way>, chance: &Chance) -> Result<Option<Self>, NoChance> {
        Ok(match way {
            Some(Way::OpenDsr { .. }) => Some(Self {
                id: uuid::Builder::from_random_bytes(chance.bytes()?).into_uuid().to_string(),
                token: hex::encode(chance.bytes::<16>()?),
                ..Self::default()
            }),
            Some(Way::Segment { .. }) => Some(Self::default()),
            Some(Way::Itself | Way::Message { .. } | Way::Manual | Way::Unsupported) | None => None,
        })
    }
}

/// Why a callback is not heard.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It is addressed to nobody, or comes from another than who was asked, or its certificate does not hold.
    #[error("this callback URL is none of ours, or the processor's certificate does not hold")]
    Stranger,
    /// The signature does not fit the body.
    #[error("the signature does not fit the body")]
    Signature,
    /// It is signed, and says nothing that can be taken over.
    #[error("{0}")]
    Words(&'static str),
    /// It could not be looked at now.
    #[error(transparent)]
    Later(#[from] Error),
}

impl Rights {
    /// Gives a recipient its order, or asks how far it is.
    pub(in crate::rights) async fn order(&self, policy: &Policy, request: (RequestId, &Request), recipient: &Recipient) -> Came {
        let Some((_, destination)) = policy.destination(&recipient.id) else { return Came::Nowhere };
        // One without a token was made for another way of telling, before the policy changed.
        let Some(order) = recipient.order.as_ref().filter(|order| !order.token.is_empty()) else { return Came::Nowhere };
        match self.try_order(policy, destination, request, (recipient, order)).await {
            Ok(status) => self.came(order, status),
            Err(Trouble::Later(reason)) => Came::Later(reason, self.deps.forwarder.later(recipient.failures)),
            Err(Trouble::Never(reason)) => Came::Refused(reason),
        }
    }

    /// What a status of the recipient's comes to.
    fn came(&self, order: &Order, status: Status) -> Came {
        match status {
            Status::Completed => Came::Done { status: status.name().to_owned(), signed: true },
            Status::Cancelled => Came::Undone { status: status.name().to_owned() },
            Status::Pending | Status::InProgress => {
                let at = self.deps.clock.now();
                Came::Waits { id: order.id.clone(), status: status.name().to_owned(), next_at: again(order, at) }
            }
        }
    }

    async fn try_order(
        &self,
        policy: &Policy,
        destination: &Destination,
        (id, request): (RequestId, &Request),
        (recipient, order): (&Recipient, &Order),
    ) -> Result<Status, Trouble> {
        let processor = processor(destination)?;
        let known = self.processor(&processor, KNOWN_MS).await?;
        if order.taken_at.is_some() {
            return self.ask(&processor, order).await;
        }
        if !known.erases {
            return Err(Trouble::Never("erasure_not_offered"));
        }
        let identities = identities(policy, destination, request, recipient);
        let offered = |i: &&Identity| known.identities.iter().any(|(kind, form)| i.kind == kind && i.form == form);
        let identities: Vec<&Identity> = identities.iter().filter(offered).collect();
        if identities.is_empty() {
            return Err(Trouble::Never("identities_not_offered"));
        }
        let mut body = json!({
            "regulation": "gdpr",
            "subject_request_id": order.id,
            "subject_request_type": "erasure",
            "submitted_time": rfc3339(request.received_at),
            "subject_identities": identities,
            "api_version": API_VERSION,
        });
        if let (Some(url), Some(fields)) = (self.callback_url(id, order), body.as_object_mut()) {
            fields.insert(String::from("status_callback_urls"), json!([url]));
        }
        let answer = self.call(&processor, Verb::Post, "/requests", body.to_string().into_bytes()).await?;
        match answer.status {
            200..=299 => {
                let said = self.believe(&processor, &answer).await?;
                if word(&said, "subject_request_id") == Some(order.id.as_str()) {
                    Ok(Status::Pending)
                } else {
                    Err(Trouble::Later("foreign_answer"))
                }
            }
            401 | 403 => Err(Trouble::Later("http_401_403")),
            408 | 425 | 429 | 500..=599 => Err(Trouble::Later("http_5xx")),
            // Perhaps it has it already, from a time that a crash has cut off.
            _ => match self.ask(&processor, order).await {
                Err(Trouble::Later("http_404_410" | "http_4xx")) => Err(Trouble::Never("http_4xx")),
                asked => asked,
            },
        }
    }

    /// Asks where an order is.
    async fn ask(&self, processor: &Processor<'_>, order: &Order) -> Result<Status, Trouble> {
        let answer = self.call(processor, Verb::Get, &format!("/requests/{}", order.id), Vec::new()).await?;
        match answer.status {
            200..=299 => {}
            404 => return Err(Trouble::Later("http_404_410")),
            400..=499 => return Err(Trouble::Later("http_4xx")),
            _ => return Err(Trouble::Later("http_5xx")),
        }
        let said = self.believe(processor, &answer).await?;
        if word(&said, "subject_request_id") != Some(order.id.as_str()) {
            return Err(Trouble::Later("foreign_answer"));
        }
        word(&said, "request_status").and_then(parse_status).ok_or(Trouble::Later("unknown_status"))
    }

    fn callback_url(&self, id: RequestId, order: &Order) -> Option<String> {
        let base = self.deps.public_url.as_deref()?;
        Some(format!("{base}{CALLBACKS}{}{}", hex::encode(id.0), order.token))
    }

    /// Hears what a recipient calls back. It is durable when this returns.
    ///
    /// # Errors
    /// Why it is not heard; then nothing was changed.
    pub async fn called_back(&self, token: &str, signed: &Signed<'_>) -> Result<(), Unheard> {
        let (id, name) = self.addressed(token)?;
        let policy = self.deps.policy.current();
        let (_, destination) = policy.destination(&name).ok_or(Unheard::Stranger)?;
        let processor = processor(destination).map_err(|_unreachable| Unheard::Stranger)?;
        self.verify(&processor, signed).await.map_err(|trouble| match trouble {
            Trouble::Later("signature") => Unheard::Signature,
            Trouble::Later(_) | Trouble::Never(_) => Unheard::Stranger,
        })?;
        let said: Value = serde_json::from_slice(signed.body).map_err(|_no_json| Unheard::Words("the body is not JSON"))?;
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        let order = request.recipients.iter().find(|r| r.id == name).and_then(|r| r.order.clone()).ok_or(Unheard::Stranger)?;
        if word(&said, "status_callback_url").map(str::to_owned) != self.callback_url(id, &order) {
            return Err(Unheard::Words("status_callback_url is not the one that was called"));
        }
        if word(&said, "subject_request_id") != Some(order.id.as_str()) {
            return Err(Unheard::Words("subject_request_id is not the one that was sent here"));
        }
        let status = word(&said, "request_status").and_then(parse_status);
        let status = status.ok_or(Unheard::Words("request_status is none of the specification's"))?;
        let known = order.status.as_deref().and_then(parse_status);
        if known.is_some_and(|known| !known.may_become(status)) {
            return Err(Unheard::Words("request_status goes back"));
        }
        if known != Some(status) && request.state == State::Running {
            self.take_over(&mut request, &name, self.came(&order, status), self.deps.clock.now());
            self.save(id, &request).await?;
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Which recipient of which request a callback URL was made for.
    fn addressed(&self, token: &str) -> Result<(RequestId, String), Unheard> {
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(token, &mut bytes).map_err(|_no_token| Unheard::Stranger)?;
        let (head, secret) = bytes.split_at(16);
        let id = RequestId(head.try_into().map_err(|_short| Unheard::Stranger)?);
        let request = match self.get(id) {
            Err(Error::NotFound) => return Err(Unheard::Stranger),
            found => found?,
        };
        // Compared by their hashes, so that how long it takes says nothing about what is right.
        let (hashed, given) = (|text: &str| digest(&SHA256, text.as_bytes()), hex::encode(secret));
        let its = |r: &&Recipient| r.order.as_ref().is_some_and(|o| hashed(&o.token).as_ref() == hashed(&given).as_ref());
        let found = request.recipients.iter().find(its).map(|recipient| recipient.id.clone());
        Ok((id, found.ok_or(Unheard::Stranger)?))
    }
}

/// When to ask again: soon at first, later as it takes longer, at least every hour.
pub(in crate::rights) fn again(order: &Order, at: Millis) -> Millis {
    let age = at.saturating_sub(order.taken_at.unwrap_or(at));
    at.saturating_add((age / 4).clamp(1_000, 3_600_000))
}

/// One thing that identifies somebody.
#[derive(Serialize)]
struct Identity {
    #[serde(rename = "identity_type")]
    kind: &'static str,
    #[serde(rename = "identity_format")]
    form: &'static str,
    #[serde(rename = "identity_value")]
    value: String,
}

/// What identifies the person at this recipient: customer IDs of its domain, and the addresses of the request if it is known by their
/// unkeyed hash.
fn identities(policy: &Policy, destination: &Destination, request: &Request, recipient: &Recipient) -> Vec<Identity> {
    let customer = |id: &String| Identity { kind: "controller_customer_id", form: "raw", value: id.clone() };
    let mut all: Vec<Identity> = recipient.customers.iter().map(customer).collect();
    if let IdentifierForm::Partner(profile) = destination.email {
        let is_email = |id: &str| policy.identifier(id).is_some_and(|(_, typed)| typed.kind == IdentifierKind::Email);
        let addresses = request.identifiers.iter().filter(|(kind, _)| is_email(kind)).map(|(_, address)| address);
        let hashes = addresses.filter_map(|address| hex_of(&form::email(profile, address)?));
        all.extend(hashes.map(|value| Identity { kind: "email", form: "sha256", value }));
    }
    all
}

/// A SHA-256 in hex, however the partner writes it.
fn hex_of(hash: &str) -> Option<String> {
    if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(hash.to_ascii_lowercase());
    }
    let engines = [&STANDARD, &URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| engine.decode(hash).ok()).filter(|bytes| bytes.len() == 32).map(hex::encode)
}

/// The later of two statuses: what recipients say never goes back. Others' words are taken as they come.
pub(in crate::rights) fn further(known: Option<String>, said: String) -> String {
    let goes_back = |known: &String| {
        let both = parse_status(known).zip(parse_status(&said));
        both.is_some_and(|(known, said)| !known.may_become(said))
    };
    known.filter(goes_back).unwrap_or(said)
}

fn parse_status(text: &str) -> Option<Status> {
    serde_json::from_value(Value::from(text)).ok()
}
