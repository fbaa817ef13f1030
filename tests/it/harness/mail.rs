//! Mails as people see them.

use mail_parser::{MessageParser, MimeHeaders as _};

/// A mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) message_id: String,
    pub(crate) at: i64,
    /// Names and contents of attached files.
    pub(crate) files: Vec<(String, String)>,
}

impl Mail {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        let files = mail.attachments().map(|file| {
            (file.attachment_name().unwrap_or_default().to_owned(), String::from_utf8_lossy(file.contents()).into_owned())
        });
        Self {
            to: mail.to().unwrap().first().unwrap().address().unwrap().to_owned(),
            subject: mail.subject().unwrap().to_owned(),
            text: mail.body_text(0).unwrap().into_owned(),
            html: mail.body_html(0).unwrap().into_owned(),
            message_id: mail.message_id().unwrap().to_owned(),
            at: mail.date().unwrap().to_timestamp(),
            files: files.collect(),
        }
    }

    /// The path of its link.
    pub(crate) fn link(&self) -> String {
        let at = ["/r/", "/c/"].iter().find_map(|place| self.text.find(place));
        let at = at.unwrap_or_else(|| panic!("no link in\n{}", self.text));
        self.text[at..].split_whitespace().next().unwrap().to_owned()
    }
}
