//! Signing in: by a link in a mail, or by a statement of the website that somebody is signed in there.
//!
//! A link goes to whatever address is typed in, known or not; nothing is looked up before it is used. A statement is a JWT under the one
//! algorithm and the one key that the policy pins for the source: made for this portal (`aud`), good for minutes (`exp`), used once (`jti`).

use std::collections::BTreeMap;

use askama::Template;
use serde::{Deserialize, Serialize};

use super::person::{Proof, Way};
use super::{Error, Portal};
use crate::clock::Millis;
use crate::identity;
use crate::mail::Room;
use crate::mail::{Letter, Mails};
use crate::policy::{IdentifierKind, Policy, SignIn};
use crate::session::{DeadTicket, Issue, Kind, Opening};
use crate::store::{self, Batch};
use crate::texts::Words;
use crate::vault::{Pin, verify_pinned};

/// How long a link works, in milliseconds.
pub(super) const LINK_MS: Millis = 15 * 60_000;
/// How long a statement may be good for at most, in milliseconds: whoever catches one has not much of it.
const STATEMENT_MS: Millis = 5 * 60_000;
/// How many identifiers a statement names at most.
const IDENTIFIERS_MAX: usize = 8;
/// How long the name of a statement may be.
const JTI_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// The longest statement that is looked at.
const STATEMENT_BYTES_MAX: usize = 8 * 1024;

/// What links are for, as tickets.
const LINK: &str = "sign-in";
/// What statements are spent as.
const SPENT: &str = "jwt";
/// The domain whose keys the secrets of `HS256` are derived from. `pforte keys rotate domain sign-in` changes them, with an overlap.
const DOMAIN: &str = "sign-in";

/// What a website states of whoever is signed in there.
#[derive(Debug, Deserialize)]
pub struct Statement {
    /// The ID of the source.
    iss: String,
    /// Where it is good: the address of the portal.
    aud: String,
    /// Until when, in seconds since 1970.
    exp: i64,
    /// Its name; it is good once.
    jti: String,
    /// Type to value.
    identifiers: BTreeMap<String, String>,
    /// The language of the website's page.
    language: Option<String>,
}

/// Who claims to have made a statement. Believed only as far as to look for the pinned key.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// What the ticket of a link holds.
#[derive(Serialize, Deserialize)]
struct Address {
    kind: String,
    value: String,
}

#[derive(Template)]
#[template(path = "mail/sign-in.txt")]
struct SignInMail<'a> {
    t: Words,
    company: &'a str,
    contact: &'a str,
    link: &'a str,
}

impl Portal {
    /// Sends a link to an address. It does the same whether or not anybody is known by it. An address that has got as many links in an hour
    /// as are allowed gets no more.
    ///
    /// # Errors
    /// [`Error::NoAddress`]; [`Error::TooMany`] if everybody has to wait.
    pub async fn send_link(&self, address: &str, words: Words) -> Result<(), Error> {
        let (policy, at) = (self.policy(), self.rooms.clock.now());
        let typed = policy.identifiers.iter().find(|typed| typed.kind == IdentifierKind::Email).ok_or(Error::NoAddress)?;
        let read = identity::parse(&policy, &self.rooms.vault, &typed.id, address).map_err(|_refused| Error::NoAddress)?;
        if !Mails::reaches(&read.value) {
            return Err(Error::NoAddress);
        }
        match self.flood.room(self.rooms.vault.mac("sign-in-mails", read.value.as_bytes()), at) {
            Room::Yes => {}
            Room::Enough => return Ok(()),
            Room::Full => return Err(Error::TooMany),
        }
        let (mut batch, until, about) = (Batch::default(), at + LINK_MS, self.rooms.chance.bytes()?);
        let inside = serde_json::to_vec(&Address { kind: typed.id.clone(), value: read.value.clone() })?;
        let token = self.sessions.issue(Issue { purpose: LINK, inside: &inside, until, about }, &mut batch)?;
        let link = format!("{}/portal/enter/{token}", self.rooms.mails.public_url());
        let letter = Letter { about, until: Some(until), to: read.value, ..letter(&policy, words, link)? };
        self.rooms.mails.queue(&letter, at, &mut batch)?;
        self.rooms.store.commit(batch).await?;
        self.rooms.mails.wake();
        Ok(())
    }

    /// Whether a link works. Looking changes nothing.
    ///
    /// # Errors
    /// That it does not.
    pub fn look_at_link(&self, token: &str) -> Result<(), Error> {
        self.sessions.look(LINK, token, self.rooms.clock.now())?;
        Ok(())
    }

    /// Signs in whoever has the link, once, and gives the token for the browser.
    ///
    /// # Errors
    /// That the link does not work; what store and vault say.
    pub async fn enter(&self, token: &str, words: Words, instead_of: Option<&str>) -> Result<String, Error> {
        let (mut batch, at) = (Batch::default(), self.rooms.clock.now());
        let inside = self.sessions.redeem(LINK, token, at, &mut batch)?;
        let Address { kind, value } = serde_json::from_slice(&inside)?;
        let proof = Proof { identifiers: vec![(kind, value)], way: Way::Mail };
        self.begin(&proof, words, instead_of, batch).await
    }

    /// Signs in whom a website vouches for, and gives the token for the browser.
    ///
    /// # Errors
    /// [`Error::Statement`] if it does not hold, whatever is wrong with it.
    pub async fn enter_by(
        &self,
        statement: &str,
        audience: &str,
        words: impl Fn(Option<&str>) -> Words,
        instead_of: Option<&str>,
    ) -> Result<String, Error> {
        let (policy, at) = (self.policy(), self.rooms.clock.now());
        let statement = self.believed(statement, audience, &policy, at)?;
        let mut identifiers = Vec::with_capacity(statement.identifiers.len());
        for (kind, value) in &statement.identifiers {
            let read = identity::parse(&policy, &self.rooms.vault, kind, value).map_err(|_refused| Error::Statement)?;
            identifiers.push((kind.clone(), read.value));
        }
        let mut batch = Batch::default();
        let name = format!("{}:{}", statement.iss, statement.jti);
        self.sessions.spend(SPENT, &name, statement.exp.saturating_mul(1000), &mut batch)?;
        let proof = Proof { identifiers, way: Way::Website { source: statement.iss } };
        self.begin(&proof, words(statement.language.as_deref()), instead_of, batch).await
    }

    /// The origins from which a website may hand over statements.
    #[must_use]
    pub fn may_hand_over(&self, origin: &str, allowed: impl Fn(&str, &crate::policy::Source) -> bool) -> bool {
        self.policy().sources.iter().any(|source| source.sign_in.is_some() && allowed(origin, source))
    }

    /// The secrets with which a source may sign by `HS256`, the present one first.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn sign_in_secrets(&self, source: &str) -> Result<Vec<String>, Error> {
        Ok(self.rooms.vault.domain(DOMAIN)?.keyed_all("hs256", source).collect())
    }

    fn believed(&self, statement: &str, audience: &str, policy: &Policy, at: Millis) -> Result<Statement, Error> {
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(Error::Statement);
        }
        let claimed = claims(statement).ok_or(Error::Statement)?;
        let (_, source) = policy.source(&claimed.iss).ok_or(Error::Statement)?;
        let pins = match source.sign_in.as_ref().ok_or(Error::Statement)? {
            SignIn::EdDsa(public) => vec![Pin::EdDsa(public.clone())],
            SignIn::Hs256 => {
                self.sign_in_secrets(&source.id)?.into_iter().map(|secret| Pin::Hs256(secret.into_bytes())).collect()
            }
        };
        let held = pins.iter().find_map(|pin| verify_pinned::<Statement>(statement, pin).ok()).ok_or(Error::Statement)?;
        let until = held.exp.saturating_mul(1000);
        let is_sound = held.iss == source.id
            && held.aud == audience
            && (at..=at.saturating_add(STATEMENT_MS)).contains(&until)
            && JTI_CHARS.contains(&held.jti.chars().count())
            && (1..=IDENTIFIERS_MAX).contains(&held.identifiers.len());
        if is_sound { Ok(held) } else { Err(Error::Statement) }
    }

    async fn begin(&self, proof: &Proof, words: Words, instead_of: Option<&str>, batch: Batch) -> Result<String, Error> {
        let inside = serde_json::to_vec(proof)?;
        let holder = self.owner(&self.read(proof)?);
        let language = Some(words.0.code());
        let opening = Opening { kind: Kind::Customer, holder, inside: &inside, language, instead_of };
        match self.sessions.begin(opening, batch).await {
            // Somebody was quicker with the same link or statement.
            Err(crate::session::Error::Store(store::Error::Conflict)) => {
                Err(crate::session::Error::Ticket(DeadTicket::Used).into())
            }
            begun => Ok(begun?),
        }
    }
}

/// What a statement says of who made it, before it is checked.
fn claims(statement: &str) -> Option<Claimed> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = statement.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The letter with a link, to nobody yet.
fn letter(policy: &Policy, words: Words, link: String) -> Result<Letter, Error> {
    let company = &policy.controller;
    let mail = SignInMail { t: words, company: &company.name, contact: &company.contact, link: &link };
    let text = mail.render().map_err(|_template| Error::Words)?;
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Letter {
        about: [0; 16],
        kind: String::from("sign_in"),
        is_last: true,
        until: None,
        to: String::new(),
        company: company.name.clone(),
        reply_to: Some(company.contact.clone()),
        language: words.0.code().to_owned(),
        subject: paragraphs.next().ok_or(Error::Words)?,
        paragraphs: paragraphs.collect(),
        link: Some(link),
        attachment: None,
    })
}
