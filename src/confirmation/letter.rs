//! What the letter says: who was asked for what, when, the link, and that nothing happens without it.

use std::sync::Arc;

use askama::Template;

use super::KIND;
use crate::clock::Millis;
use crate::consent::{Error, Order};
use crate::mail::Letter;
use crate::policy::{Policy, Texts};

/// What stands in a letter. The first paragraph of a template is the subject.
struct Facts<'a> {
    company: &'a str,
    contact: &'a str,
    /// What was asked for: title and text of each purpose.
    purposes: Vec<(&'a str, &'a str)>,
    asked: String,
    until: String,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "mail/confirm.de.txt")]
struct German<'a>(Facts<'a>);

#[derive(Template)]
#[template(path = "mail/confirm.en.txt")]
struct English<'a>(Facts<'a>);

/// A letter that lacks nothing but its link.
pub(super) struct Draft {
    policy: Arc<Policy>,
    about: [u8; 16],
    to: String,
    is_german: bool,
    purposes: Vec<usize>,
    asked_at: Millis,
}

impl Draft {
    /// About the part of an order that needs a confirmation.
    pub(super) fn of(order: &Order, about: [u8; 16], to: String) -> Self {
        let policy = Arc::clone(&order.policy);
        let needs = |(index, granted): &&(usize, bool)| *granted && policy.purposes.get(*index).is_some_and(|p| p.double_opt_in);
        let purposes = order.decisions.iter().filter(needs).map(|(index, _)| *index).collect();
        let is_german = is_german(order.language.as_deref(), &policy);
        Self { about, to, is_german, purposes, asked_at: order.at, policy }
    }

    /// The letter.
    pub(super) fn letter(&self, link: &str, until: Millis) -> Result<Letter, Error> {
        let company = &self.policy.controller;
        let day = |at| company.day(at).strftime(if self.is_german { "%d.%m.%Y" } else { "%-d %B %Y" }).to_string();
        let purposes = self.purposes.iter().filter_map(|index| self.policy.purposes.get(*index));
        let facts = Facts {
            company: &company.name,
            contact: &company.contact,
            purposes: purposes.map(|p| (text(&p.title, self.is_german), text(&p.text, self.is_german))).collect(),
            asked: day(self.asked_at),
            until: day(until),
            link,
        };
        let text = if self.is_german { German(facts).render() } else { English(facts).render() };
        let text = text.map_err(|_template| Error::Letter)?;
        let mut paragraphs = text.split("\n\n").map(|p| p.trim().to_owned()).filter(|paragraph| !paragraph.is_empty());
        Ok(Letter {
            about: self.about,
            kind: String::from(KIND),
            is_last: true,
            until: Some(until),
            to: self.to.clone(),
            company: company.name.clone(),
            reply_to: Some(company.contact.clone()),
            language: String::from(if self.is_german { "de" } else { "en" }),
            subject: paragraphs.next().ok_or(Error::Letter)?,
            paragraphs: paragraphs.collect(),
            link: Some(link.to_owned()),
            attachment: None,
        })
    }
}

/// Whether somebody is written to in German: in the language in which they were asked, as far as there is a letter in it.
pub(super) fn is_german(language: Option<&str>, policy: &Policy) -> bool {
    match language {
        Some(language) if language.starts_with("de") => true,
        Some(language) if language.starts_with("en") => false,
        Some(_) | None => policy.controller.language == "de",
    }
}

/// A text of the policy in one of two languages.
pub(super) fn text(texts: &Texts, is_german: bool) -> &str {
    let wanted = if is_german { "de" } else { "en" };
    texts.get(wanted).or_else(|| texts.values().next()).map_or("", String::as_str)
}
