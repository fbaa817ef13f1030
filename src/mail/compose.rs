//! From a letter to the bytes that are sent: text, the same as simple HTML, perhaps a file. By `lettre`, which encodes whatever a header
//! must not hold.

use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

use super::record::LetterId;
use super::{Error, Letter};
use crate::clock::Millis;

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Page<'a> {
    language: &'a str,
    subject: &'a str,
    paragraphs: Vec<Paragraph<'a>>,
}

struct Paragraph<'a> {
    lines: Vec<&'a str>,
    is_link: bool,
}

/// Who it comes from, as the gateway was started.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) address: Address,
    pub(super) name: Option<String>,
}

/// The mail, ready to be sent: the same Message-ID and date however often.
pub(super) fn compose(id: LetterId, letter: &Letter, from: &Sender, queued_at: Millis) -> Result<(Envelope, Vec<u8>), Error> {
    let to: Address = letter.to.parse().map_err(|_no_address| Error::Compose)?;
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(queued_at).unwrap_or(0));
    let name = from.name.clone().unwrap_or_else(|| letter.company.clone());
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(one_line(&name)), from.address.clone()))
        .to(Mailbox::new(None, to))
        .date(date)
        .message_id(Some(format!("<{}@{}>", hex::encode(id.own), from.address.domain())))
        .subject(one_line(&letter.subject))
        // Nobody's absence notice shall answer it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), String::from("auto-generated")));
    if let Some(contact) = letter.reply_to.as_deref().and_then(|contact| contact.parse::<Address>().ok()) {
        builder = builder.reply_to(Mailbox::new(None, contact));
    }
    let text = letter.paragraphs.join("\n\n") + "\n";
    let body = MultiPart::alternative().singlepart(SinglePart::plain(text)).singlepart(SinglePart::html(html(letter)?));
    let message = match &letter.attachment {
        None => builder.multipart(body),
        Some((name, content)) => {
            let kind = ContentType::parse("application/jose").map_err(|_never| Error::Compose)?;
            let file = Attachment::new(name.clone()).body(content.clone(), kind);
            builder.multipart(MultiPart::mixed().multipart(body).singlepart(file))
        }
    };
    let message = message.map_err(|_incomplete| Error::Compose)?;
    Ok((message.envelope().clone(), message.formatted()))
}

fn html(letter: &Letter) -> Result<String, Error> {
    let is_link = |text| letter.link.as_ref() == Some(text);
    let paragraphs =
        letter.paragraphs.iter().map(|text| Paragraph { lines: text.lines().collect(), is_link: is_link(text) }).collect();
    Page { language: &letter.language, subject: &letter.subject, paragraphs }.render().map_err(|_template| Error::Compose)
}

/// What stands in a header is one line; `lettre` panics over a name that is not.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
