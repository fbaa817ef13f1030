//! The queue and its worker, on a store of their own and a manual clock.

use std::sync::Arc;

use mail_parser::{MessageParser, MimeHeaders as _};

use super::record::{LetterId, WAITING};
use super::*;

/// 1 March 2026.
const START: Millis = 1_772_323_200_000;

struct House {
    dir: tempfile::TempDir,
    store: Store,
    clock: Clock,
    mails: Mails,
}

impl House {
    fn new(smtp: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::memory(), Clock::manual(START));
        let mails = Self::open(&dir, &store, &clock, smtp);
        Self { dir, store, clock, mails }
    }

    fn open(dir: &tempfile::TempDir, store: &Store, clock: &Clock, smtp: Option<&str>) -> Mails {
        let chance = Chance::system();
        let vault = Arc::new(Vault::open(&dir.path().join("keys"), store, &chance).unwrap());
        let deps = Deps { store: store.clone(), vault, clock: clock.clone(), chance, folder: dir.path().join("mail") };
        let from = smtp.map(|_| String::from("Weinhaus <post@weinhaus.example>"));
        Mails::open(deps, Settings { smtp: smtp.map(|url| url.parse().unwrap()), from, public_url: None }).unwrap()
    }

    async fn queue(&self, letter: &Letter) {
        let mut batch = Batch::default();
        self.mails.queue(letter, self.clock.now(), &mut batch).unwrap();
        self.store.commit(batch).await.unwrap();
    }

    fn files(&self) -> Vec<Vec<u8>> {
        let all = self.mails.folder.list().unwrap();
        all.into_iter().map(|id| self.mails.folder.read(id).unwrap().unwrap()).collect()
    }
}

fn letter(about: u8) -> Letter {
    Letter {
        about: [about; 16],
        kind: String::from("received"),
        is_last: false,
        until: None,
        to: String::from("erika@example.org"),
        company: String::from("Weinhaus Müller"),
        reply_to: Some(String::from("datenschutz@weinhaus.example")),
        language: String::from("de"),
        subject: String::from("Ihre Anfrage ist eingegangen: Löschung"),
        paragraphs: vec![String::from("Guten Tag,"), String::from("http://localhost/r/abc"), String::from("Grüße & <b>mehr</b>")],
        link: Some(String::from("http://localhost/r/abc")),
        attachment: None,
    }
}

#[tokio::test]
async fn a_letter_becomes_a_mail_of_text_and_html_and_leaves_no_key_behind() {
    let house = House::new(None);
    house.queue(&Letter { attachment: Some((String::from("certificate.jws"), String::from("a.b.c"))), ..letter(1) }).await;
    assert_eq!(house.mails.count().unwrap(), Count { waiting: 1, sent: 0, failed: 0 });
    let holder = WAITING.scan(&house.store, &[], None, 9).unwrap()[0].0.holder();
    assert_eq!(house.mails.work().await.unwrap(), None);

    let files = house.files();
    let mail = MessageParser::default().parse(&files[0]).unwrap();
    assert_eq!(mail.subject(), Some("Ihre Anfrage ist eingegangen: Löschung"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Weinhaus Müller"));
    assert_eq!(mail.reply_to().unwrap().first().unwrap().address(), Some("datenschutz@weinhaus.example"));
    assert_eq!(mail.header("Auto-Submitted").and_then(|value| value.as_text()), Some("auto-generated"));
    assert_eq!(mail.date().unwrap().to_timestamp() * 1000, START);
    let text = mail.body_text(0).unwrap().replace('\r', "");
    assert_eq!(text.trim(), "Guten Tag,\n\nhttp://localhost/r/abc\n\nGrüße & <b>mehr</b>");
    let html = mail.body_html(0).unwrap();
    assert!(html.contains("<a href=\"http://localhost/r/abc\"") && html.contains("Grüße &#38; &#60;b&#62;"), "{html}");
    assert!(!html.contains("src=") && !html.contains("http://localhost/r/abc?"), "nothing is loaded, nobody is counted");
    let file = mail.attachments().next().unwrap();
    assert_eq!((file.attachment_name(), file.contents()), (Some("certificate.jws"), b"a.b.c".as_slice()));

    assert!(matches!(house.mails.deps.vault.key(holder), Err(vault::Error::Shredded)));
    assert!(WAITING.scan(&house.store, &[], None, 9).unwrap().is_empty());
    let trace = house.mails.about([1; 16]).unwrap();
    assert_eq!((trace[0].kind.as_str(), trace[0].state, trace.len()), ("received", State::Written, 1));
    assert!(house.mails.about([2; 16]).unwrap().is_empty());
}

#[tokio::test]
async fn no_header_can_be_smuggled_in() {
    let house = House::new(None);
    let evil = "x\r\nBcc: otto@example.org\r\n\r\n<script>";
    house
        .queue(&Letter { subject: evil.to_owned(), company: evil.to_owned(), reply_to: Some(evil.to_owned()), ..letter(1) })
        .await;
    house.queue(&Letter { to: String::from("erika@example.org\r\nBcc: otto@example.org"), ..letter(2) }).await;
    house.queue(&Letter { to: String::from("erika@example.org, otto@example.org"), ..letter(3) }).await;
    house.mails.work().await.unwrap();
    let files = house.files();
    assert_eq!(files.len(), 1, "what is no address gets no mail");
    let mail = MessageParser::default().parse(&files[0]).unwrap();
    assert!(mail.bcc().is_none() && mail.reply_to().is_none());
    let text = String::from_utf8_lossy(&files[0]).into_owned();
    assert!(!text.lines().take_while(|line| !line.is_empty()).any(|line| line.starts_with("Bcc")));
    assert_eq!(house.mails.about([2; 16]).unwrap()[0].reason.as_deref(), Some("not_a_mail"));
    assert_eq!(house.mails.count().unwrap(), Count { waiting: 0, sent: 1, failed: 2 });
}

#[tokio::test]
async fn mails_in_the_folder_go_after_a_week_and_when_it_is_over() {
    let house = House::new(None);
    house.queue(&letter(1)).await;
    house.queue(&letter(2)).await;
    house.mails.work().await.unwrap();
    assert_eq!(house.files().len(), 2);
    house.queue(&Letter { is_last: true, ..letter(1) }).await;
    house.mails.work().await.unwrap();
    assert_eq!(house.files().len(), 2, "the last letter stays, those before it go; others are left alone");
    house.clock.pass(7 * DAY_MS);
    assert_eq!(house.mails.tidy(house.clock.now()).unwrap(), 0);
    house.clock.pass(1);
    assert_eq!(house.mails.tidy(house.clock.now()).unwrap(), 2);
    assert!(house.files().is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_again_and_in_the_end_the_letter_is_given_up() {
    // Nobody listens on the discard port of this machine.
    let house = House::new(Some("smtp://127.0.0.1:9"));
    house.queue(&letter(1)).await;
    house.queue(&Letter { until: Some(START + DAY_MS), ..letter(2) }).await;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let now = house.clock.now();
        let due = house.mails.work().await.unwrap().unwrap();
        pauses.push(due - now);
        house.clock.pass(due - now);
    }
    assert!(pauses.iter().all(|pause| (7_500..=300_000).contains(pause)), "{pauses:?}");
    assert!(pauses[7] > pauses[0], "{pauses:?}");
    assert_eq!(house.mails.about([1; 16]).unwrap()[0].reason.as_deref(), Some("unreachable"));
    house.clock.pass(DAY_MS);
    house.mails.work().await.unwrap();
    house.clock.pass(DAY_MS);
    house.mails.work().await.unwrap();
    assert_eq!(house.mails.about([2; 16]).unwrap()[0].state, State::Failed, "its time is over");
    assert_eq!(house.mails.about([1; 16]).unwrap()[0].state, State::Waiting);
    house.clock.pass(4 * DAY_MS);
    house.mails.work().await.unwrap();
    let trace = house.mails.about([1; 16]).unwrap();
    assert_eq!((trace[0].state, trace[0].reason.as_deref()), (State::Failed, Some("unreachable")));
    assert_eq!(house.mails.work().await.unwrap(), None);
    assert_eq!(house.mails.count().unwrap(), Count { waiting: 0, sent: 0, failed: 2 });
}

#[tokio::test]
async fn what_a_crash_cut_off_is_completed_and_what_a_copy_brings_back_is_not_sent_again() {
    let house = House::new(None);
    house.queue(&letter(1)).await;
    let waiting = WAITING.scan(&house.store, &[], None, 9).unwrap();
    let (id, record) = &waiting[0];
    house.mails.work().await.unwrap();
    let first = house.files();
    // The crash came after the file was written and before that was noted.
    let house = House { mails: House::open(&house.dir, &house.store, &house.clock, None), ..house };
    let mut batch = Batch::default();
    WAITING.put(&mut batch, id, record);
    house.store.commit(batch).await.unwrap();
    house.mails.work().await.unwrap();
    assert_eq!(house.files(), first, "nothing was added");
    assert_eq!(house.mails.about([1; 16]).unwrap()[0].reason.as_deref(), Some("forgotten"));
    assert!(WAITING.scan(&house.store, &[], None, 9).unwrap().is_empty());
}

#[tokio::test]
async fn forgetting_takes_all_there_is_about_something_and_nothing_else() {
    let house = House::new(Some("smtp://127.0.0.1:9"));
    house.queue(&letter(1)).await;
    house.queue(&letter(2)).await;
    let mut batch = Batch::default();
    let keys = house.mails.forget([1; 16], &mut batch).unwrap();
    house.store.commit(batch).await.unwrap();
    house.mails.deps.vault.shred(&keys).unwrap();
    assert_eq!((keys.len(), house.mails.about([1; 16]).unwrap().len(), house.mails.about([2; 16]).unwrap().len()), (1, 0, 1));
}

#[test]
fn a_mail_server_needs_somebody_whom_mails_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let (store, chance) = (Store::memory(), Chance::system());
    let vault = Arc::new(Vault::open(&dir.path().join("keys"), &store, &chance).unwrap());
    let open = |from: Option<&str>| {
        let (store, vault, clock, chance) = (store.clone(), Arc::clone(&vault), Clock::manual(START), chance.clone());
        let deps = Deps { store, vault, clock, chance, folder: dir.path().join("mail") };
        let smtp = Some("smtp://127.0.0.1:9".parse().unwrap());
        Mails::open(deps, Settings { smtp, from: from.map(str::to_owned), public_url: None }).map(|_| ())
    };
    assert!(matches!(open(None), Err(Error::From)));
    assert!(matches!(open(Some("nobody")), Err(Error::FromForm)));
    open(Some("Weinhaus <post@weinhaus.example>")).unwrap();
}

#[test]
fn names_of_files_are_names_of_letters_and_nothing_else() {
    for name in ["", "..", "../../operator.json", &format!("{}-{}", "0".repeat(32), "0".repeat(31)), "a-b"] {
        assert_eq!(LetterId::parse(name), None, "{name}");
    }
}
