//! What people are told by mail, and when: it follows from what was done, in the same commit (GDPR Art. 12(3) and (4), 18(3)).

use askama::Template;

use super::link::{self, Purpose};
use super::{Error, Ground, Kind, Request, RequestId, Rights, calendar};
use crate::clock::Millis;
use crate::mail::{ATTACHMENT_BYTES_MAX, Letter, Mails};
use crate::policy::{IdentifierKind, Policy};
use crate::store::Batch;

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Confirm that it is you who asks.
    Confirm,
    /// It was received and is looked at.
    Received,
    /// It is not clear who asks; more is needed.
    MoreNeeded,
    /// It takes longer.
    Extended,
    /// It was refused.
    Refused,
    /// What was asked for can be fetched.
    Available,
    /// It was done.
    Done,
    /// A restriction is in force.
    Restricted,
    /// A restriction is about to end.
    Lifting,
    /// It was taken back.
    Cancelled,
}

impl Word {
    /// What is to be said when this was done.
    pub(super) fn after(kind: Kind, act: &str) -> Option<Self> {
        Some(match (act, kind) {
            ("link_sent", _) => Self::Confirm,
            ("identified", _) => Self::Received,
            ("identity_doubted", _) => Self::MoreNeeded,
            ("extended", _) => Self::Extended,
            ("refused", _) => Self::Refused,
            ("available", _) => Self::Available,
            ("restricted", _) => Self::Restricted,
            ("lifted", _) => Self::Lifting,
            ("cancelled", _) => Self::Cancelled,
            // That was told of before.
            ("done", Kind::Restriction | Kind::Objection | Kind::Rectification) => return None,
            ("done" | "objected" | "rectified", _) => Self::Done,
            _ => return None,
        })
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Received => "received",
            Self::MoreNeeded => "more_needed",
            Self::Extended => "extended",
            Self::Refused => "refused",
            Self::Available => "available",
            Self::Done => "done",
            Self::Restricted => "restricted",
            Self::Lifting => "lifting",
            Self::Cancelled => "cancelled",
        }
    }

    const fn is_last(self) -> bool {
        match self {
            Self::Refused | Self::Available | Self::Done | Self::Lifting | Self::Cancelled => true,
            Self::Confirm | Self::Received | Self::MoreNeeded | Self::Extended | Self::Restricted => false,
        }
    }

    /// Which link it carries.
    const fn link(self) -> Option<Purpose> {
        match self {
            Self::Confirm => Some(Purpose::Confirm),
            Self::Received | Self::MoreNeeded | Self::Extended | Self::Available | Self::Restricted => Some(Purpose::Status),
            Self::Refused | Self::Done | Self::Lifting | Self::Cancelled => None,
        }
    }
}

/// What stands in a letter. The first paragraph of a template is the subject.
struct Facts<'a> {
    word: Word,
    kind: Kind,
    id: String,
    company: &'a str,
    contact: &'a str,
    received: String,
    due: Option<String>,
    /// Until when the link holds.
    until: String,
    link: String,
    reason: &'a str,
    ground: Option<Ground>,
    is_certified: bool,
}

#[derive(Template)]
#[template(path = "mail/de.txt")]
struct German<'a>(Facts<'a>);

#[derive(Template)]
#[template(path = "mail/en.txt")]
struct English<'a>(Facts<'a>);

impl Kind {
    /// What a request of this kind asks for, in words.
    pub(super) const fn title(self, is_german: bool) -> &'static str {
        match (self, is_german) {
            (Self::Erasure, true) => "Löschung Ihrer Daten (Art. 17 DSGVO)",
            (Self::Erasure, false) => "erasure of your data (Art. 17 GDPR)",
            (Self::Access, true) => "Auskunft über Ihre Daten (Art. 15 DSGVO)",
            (Self::Access, false) => "access to your data (Art. 15 GDPR)",
            (Self::Rectification, true) => "Berichtigung Ihrer Daten (Art. 16 DSGVO)",
            (Self::Rectification, false) => "rectification of your data (Art. 16 GDPR)",
            (Self::Restriction, true) => "Einschränkung der Verarbeitung (Art. 18 DSGVO)",
            (Self::Restriction, false) => "restriction of processing (Art. 18 GDPR)",
            (Self::Objection, true) => "Widerspruch gegen die Verarbeitung (Art. 21 DSGVO)",
            (Self::Objection, false) => "objection to processing (Art. 21 GDPR)",
            (Self::Portability, true) => "Übertragung Ihrer Daten (Art. 20 DSGVO)",
            (Self::Portability, false) => "portability of your data (Art. 20 GDPR)",
        }
    }
}

impl Ground {
    const fn words(self, is_german: bool) -> &'static str {
        match (self, is_german) {
            (Self::NotIdentified, true) => {
                "Wir konnten nicht feststellen, dass es um Ihre Daten geht (Art. 11 Abs. 2, Art. 12 Abs. 2 DSGVO)."
            }
            (Self::NotIdentified, false) => "We could not establish that these are your data (Art. 11(2), 12(2) GDPR).",
            (Self::ManifestlyUnfounded, true) => "Die Anfrage ist offenkundig unbegründet (Art. 12 Abs. 5 DSGVO).",
            (Self::ManifestlyUnfounded, false) => "The request is manifestly unfounded (Art. 12(5) GDPR).",
            (Self::Excessive, true) => "Die Anfrage ist exzessiv, insbesondere wiederholt (Art. 12 Abs. 5 DSGVO).",
            (Self::Excessive, false) => "The request is excessive, in particular repeated (Art. 12(5) GDPR).",
            (Self::LegalObligation, true) => {
                "Ein Gesetz verpflichtet uns, die Daten aufzubewahren (Art. 17 Abs. 3 lit. b DSGVO)."
            }
            (Self::LegalObligation, false) => "A law obliges us to keep the data (Art. 17(3)(b) GDPR).",
            (Self::LegalClaims, true) => "Die Daten werden für Rechtsansprüche benötigt (Art. 17 Abs. 3 lit. e DSGVO).",
            (Self::LegalClaims, false) => "The data are needed for legal claims (Art. 17(3)(e) GDPR).",
        }
    }
}

/// A day as people write it.
pub(super) fn day(date: jiff::civil::Date, is_german: bool) -> String {
    date.strftime(if is_german { "%d.%m.%Y" } else { "%-d %B %Y" }).to_string()
}

impl Rights {
    /// To whom letters about a request go: the first e-mail address among its identifiers. Asked before the request is closed, for
    /// then it forgets who asked.
    pub(super) fn addressee(&self, request: &Request) -> Option<String> {
        let policy = self.deps.policy.current();
        // Another company's people are told by that company.
        if request.origin.is_some() || !policy.controller.mails && !request.is_own {
            return None;
        }
        let is_address = |(kind, value): &&(String, String)| {
            policy.identifier(kind).is_some_and(|(_, kind)| kind.kind == IdentifierKind::Email) && Mails::reaches(value)
        };
        request.identifiers.iter().find(is_address).map(|(_, value)| value.clone())
    }

    /// A commit that writes a request and queues the letter about what was done last.
    pub(super) fn told(&self, id: RequestId, request: &mut Request, to: Option<String>) -> Result<Batch, Error> {
        let word = request.acts.last().and_then(|act| Word::after(request.kind, &act.what));
        let mut batch = Batch::default();
        if let Some((to, word)) = to.zip(word) {
            self.tell_by_mail(id, request, (&to, word), &mut batch)?;
        }
        self.put(id, request, &mut batch)?;
        Ok(batch)
    }

    /// Stores a request and, in the same commit, the letter about what was done last.
    pub(super) async fn save_and_tell(&self, id: RequestId, request: &mut Request, to: Option<String>) -> Result<(), Error> {
        self.deps.store.commit(self.told(id, request, to)?).await?;
        self.deps.mails.wake();
        Ok(())
    }

    /// Queues a letter about what was done last, with a link of its own where it carries one.
    pub(super) fn tell_by_mail(
        &self,
        id: RequestId,
        request: &mut Request,
        (to, word): (&str, Word),
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let policy = self.deps.policy.current();
        let (at, reason) = request.acts.last().map_or((request.received_at, None), |act| (act.at, act.why.clone()));
        let until = match (word, request.available_until) {
            (Word::Confirm, _) => at + link::CONFIRM_MS,
            (_, Some(end)) => end,
            (_, None) => at + link::STATUS_MS,
        };
        let link = word.link().map(|purpose| self.new_link(id, purpose, until, batch)).transpose()?;
        if let (Word::Confirm, Some((_, digest))) = (word, &link) {
            // Links that were sent before work no more.
            request.confirm = Some(hex::encode(digest.0));
        }
        let link = link.map(|(link, _)| link);
        let mut letter = words(&policy, (id, request), word, (link.as_deref(), until), reason.as_deref().unwrap_or_default())?;
        letter.to = to.to_owned();
        letter.until = (word == Word::Confirm).then_some(until);
        self.deps.mails.queue(&letter, at, batch)?;
        Ok(())
    }
}

/// What a letter says, to nobody yet.
fn words(
    policy: &Policy,
    (id, request): (RequestId, &Request),
    word: Word,
    (link, until): (Option<&str>, Millis),
    reason: &str,
) -> Result<Letter, Error> {
    let is_german = request.is_german(policy);
    let (company, calendar) = (&policy.controller, calendar(policy));
    let certificate =
        request.certificate.clone().filter(|certificate| word == Word::Done && certificate.len() <= ATTACHMENT_BYTES_MAX);
    let facts = Facts {
        word,
        kind: request.kind,
        id: id.to_string(),
        company: &company.name,
        contact: &company.contact,
        received: day(calendar.day(request.received_at), is_german),
        due: calendar.due(&request.course()).map(|due| day(due, is_german)),
        until: day(calendar.day(until), is_german),
        link: link.unwrap_or_default().to_owned(),
        reason,
        ground: request.ground,
        is_certified: certificate.is_some(),
    };
    let text = if is_german { German(facts).render() } else { English(facts).render() }.map_err(|_template| Error::Words)?;
    let mut paragraphs =
        text.split("\n\n").map(|paragraph| paragraph.trim().to_owned()).filter(|paragraph| !paragraph.is_empty());
    Ok(Letter {
        about: id.0,
        kind: word.code().to_owned(),
        is_last: word.is_last(),
        until: None,
        to: String::new(),
        company: company.name.clone(),
        reply_to: Some(company.contact.clone()),
        language: String::from(if is_german { "de" } else { "en" }),
        subject: paragraphs.next().ok_or(Error::Words)?,
        paragraphs: paragraphs.collect(),
        link: link.map(str::to_owned),
        attachment: certificate.map(|certificate| (String::from("certificate.jws"), certificate)),
    })
}
