//! Links and what waits for them, by a clock that only the test moves.

use super::{House, address};
use crate::clock::{DAY_MS, Millis};
use crate::rights::{Ask, DeadEnd, Error, Kind, RequestId, State, Step, Wrong};

impl House {
    /// Somebody asks; the path of the link in the mail, as its token.
    async fn asked(&self, kind: Kind, person: usize) -> String {
        let identifiers = vec![(String::from("email"), address(person))];
        let (language, source) = (Some(String::from("en")), String::from("web"));
        let ask = Ask { kind, identifiers, purposes: None, wrong: Wrong::default(), language, note: None, source };
        self.app.rights.hear(ask).await.unwrap();
        self.newest_link().await
    }

    /// The token of the newest mail.
    async fn newest_link(&self) -> String {
        self.app.mails.work().await.unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.path().join("data/mail")).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
        let bytes = std::fs::read(files.last().unwrap()).unwrap();
        let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        let text = mail.body_text(0).unwrap().into_owned();
        text.split("/r/").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    }

    fn only(&self) -> (RequestId, State) {
        let all = self.app.rights.list(None).unwrap();
        assert_eq!(all.len(), 1);
        (all[0].0, all[0].1.state)
    }

    fn dead_end(&self, token: &str) -> Option<DeadEnd> {
        match self.app.rights.visit(token) {
            Err(Error::Link(dead)) => Some(dead),
            found => found.map(|_| None).unwrap(),
        }
    }

    async fn tidied(&self, pass: Millis) {
        self.clock.pass(pass);
        self.app.rights.tidy(self.clock.now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_link_to_confirm_holds_for_a_day_and_is_forgotten_a_month_later() {
    let house = House::new();
    let token = house.asked(Kind::Access, 1).await;
    house.clock.pass(DAY_MS);
    assert_eq!(house.dead_end(&token), None);
    house.clock.pass(1);
    assert_eq!(house.dead_end(&token), Some(DeadEnd::Expired));
    assert!(matches!(house.app.rights.confirm(&token).await, Err(Error::Link(DeadEnd::Expired))));
    assert_eq!(house.only().1, State::IdentityUnclear);
    // The officer sends another one, and that works.
    house.app.rights.act(house.only().0, Step::SendLink, "dpo", None).await.unwrap();
    let again = house.newest_link().await;
    assert_ne!(again, token);
    assert_eq!(house.app.rights.confirm(&again).await.unwrap().state, State::InReview);
    assert!(matches!(house.app.rights.confirm(&again).await, Err(Error::Link(DeadEnd::Used))));
    house.tidied(30 * DAY_MS + 2).await;
    assert_eq!((house.dead_end(&token), house.dead_end(&again)), (Some(DeadEnd::Unknown), Some(DeadEnd::Used)));
    house.tidied(2 * DAY_MS).await;
    assert_eq!(house.dead_end(&again), Some(DeadEnd::Unknown));
}

#[tokio::test]
async fn what_nobody_confirms_is_closed_after_a_week_and_the_address_forgotten() {
    let house = House::new();
    let token = house.asked(Kind::Erasure, 1).await;
    house.tidied(7 * DAY_MS).await;
    assert_eq!(house.only().1, State::IdentityUnclear);
    house.tidied(1).await;
    assert_eq!(house.only().1, State::Cancelled);
    let request = house.app.rights.get(house.only().0).unwrap();
    assert!(request.identifiers.is_empty() && request.acts.last().unwrap().what == "never_confirmed");
    assert_eq!(house.dead_end(&token), Some(DeadEnd::Expired));
}

#[tokio::test]
async fn what_was_clear_once_and_is_doubted_is_not_closed_by_itself() {
    let house = House::new();
    let token = house.asked(Kind::Erasure, 1).await;
    house.app.rights.confirm(&token).await.unwrap();
    let (id, _) = house.only();
    house.app.rights.act(id, Step::Doubt, "dpo", None).await.unwrap();
    house.app.rights.act(id, Step::SendLink, "dpo", None).await.unwrap();
    house.tidied(60 * DAY_MS).await;
    assert_eq!(house.only().1, State::IdentityUnclear);
}

#[tokio::test]
async fn a_link_to_the_state_ends_with_the_package() {
    let house = House::new();
    let token = house.asked(Kind::Access, 1).await;
    house.app.rights.confirm(&token).await.unwrap();
    let status = house.newest_link().await;
    let (id, _) = house.only();
    house.clock.pass(20 * DAY_MS);
    house.app.rights.act(id, Step::Approve, "dpo", None).await.unwrap();
    house.app.rights.work().await.unwrap();
    let ready = house.newest_link().await;
    assert_eq!(house.app.rights.fetch(&ready).await.unwrap(), id);
    house.clock.pass(11 * DAY_MS);
    assert_eq!((house.dead_end(&status), house.dead_end(&ready)), (Some(DeadEnd::Expired), None));
    house.clock.pass(19 * DAY_MS);
    assert_eq!(house.dead_end(&ready), None);
    house.clock.pass(1);
    assert_eq!(house.dead_end(&ready), Some(DeadEnd::Expired));
    assert!(matches!(house.app.rights.fetch(&ready).await, Err(Error::Link(DeadEnd::Expired))));
}

#[tokio::test]
async fn ten_thousand_requests_for_one_address_are_three_mails() {
    let house = House::new();
    let identifiers = vec![(String::from("email"), address(1))];
    for _ in 0..10_000 {
        let (identifiers, source, wrong) = (identifiers.clone(), String::from("web"), Wrong::default());
        let ask = Ask { kind: Kind::Erasure, identifiers, purposes: None, wrong, language: None, note: None, source };
        house.app.rights.hear(ask).await.unwrap();
    }
    assert_eq!(house.app.rights.list(None).unwrap().len(), 3);
    assert_eq!(house.app.mails.count().unwrap().waiting, 3);
}

#[tokio::test]
async fn a_link_identifies_nobody_whom_it_does_not_prove() {
    let house = House::new();
    let id = house.file(Kind::Access, 1, false).await;
    let mut request = house.app.rights.get(id).unwrap();
    request.identifiers.push((String::from("user_id"), String::from("somebody else")));
    house.app.rights.save(id, &request).await.unwrap();
    house.app.rights.act(id, Step::SendLink, "dpo", None).await.unwrap();
    let token = house.newest_link().await;
    let request = house.app.rights.confirm(&token).await.unwrap();
    assert_eq!((request.state, request.acts.last().unwrap().what.as_str()), (State::IdentityUnclear, "address_confirmed"));
}
