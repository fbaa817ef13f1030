//! Sessions and tickets on a store of their own and a manual clock.

use super::record::TICKETS;
use super::*;

/// 1 March 2026.
const START: Millis = 1_772_323_200_000;
/// What a session of somebody holds; it may stand nowhere.
const INSIDE: &[u8] = b"erika.kanarienvogel@example.de";

struct House {
    dir: tempfile::TempDir,
    store: Store,
    vault: Arc<Vault>,
    clock: Clock,
    sessions: Sessions,
}

impl House {
    fn new() -> Self {
        let (dir, store, clock) = (tempfile::tempdir().unwrap(), Store::memory(), Clock::manual(START));
        let (vault, sessions) = Self::open(&dir, &store, &clock);
        Self { dir, store, vault, clock, sessions }
    }

    fn open(dir: &tempfile::TempDir, store: &Store, clock: &Clock) -> (Arc<Vault>, Sessions) {
        let chance = Chance::system();
        let vault = Arc::new(Vault::open(&dir.path().join("keys"), store, &chance).unwrap());
        let sessions = Sessions::open(store, &vault, clock, &chance).unwrap();
        (vault, sessions)
    }

    fn restart(&mut self) {
        (self.vault, self.sessions) = Self::open(&self.dir, &self.store, &self.clock);
    }

    /// Somebody with a data key.
    async fn person(&self, n: u8) -> SubjectId {
        let (subject, mut batch) = (SubjectId([n; 16]), Batch::default());
        self.vault.create(subject, &mut batch).unwrap();
        self.store.commit(batch).await.unwrap();
        subject
    }

    async fn begin(&self, kind: Kind, holder: Option<SubjectId>, instead_of: Option<&str>) -> String {
        let opening = Opening { kind, holder, inside: INSIDE, language: Some("de"), instead_of };
        self.sessions.begin(opening, Batch::default()).await.unwrap()
    }

    async fn holds(&self, kind: Kind, token: &str) -> bool {
        self.sessions.find(kind, token).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_token_alone_and_only_on_the_pages_of_its_kind() {
    let mut house = House::new();
    let erika = house.person(1).await;
    let token = house.begin(Kind::Customer, Some(erika), None).await;
    assert_eq!(token.len(), 43, "256 bits");
    for _ in 0..2 {
        let session = house.sessions.find(Kind::Customer, &token).await.unwrap().unwrap();
        assert_eq!((session.holder, session.inside.as_slice(), session.language.as_deref()), (Some(erika), INSIDE, Some("de")));
        assert!(house.sessions.is_csrf(&session, &session.csrf) && !house.sessions.is_csrf(&session, ""));
        assert!(!token.contains(&session.csrf) && session.id.to_string() != token);
        assert!(!house.holds(Kind::Officer, &token).await);
        for wrong in ["", "x", &token[1..], &format!("{token}="), &session.csrf, &session.id.to_string()] {
            assert!(!house.holds(Kind::Customer, wrong).await, "{wrong}");
        }
        house.restart();
    }
}

#[tokio::test]
async fn nothing_that_is_stored_gives_a_token_or_what_a_session_holds() {
    let house = House::new();
    let token = house.begin(Kind::Customer, None, None).await;
    let mut batch = Batch::default();
    let issue = Issue { purpose: "sign-in", inside: INSIDE, until: START + 1, about: [7; 16] };
    let ticket = house.sessions.issue(issue, &mut batch).unwrap();
    house.store.commit(batch).await.unwrap();
    let stored = house.store.scan(b"", None, 1000).unwrap();
    assert!(stored.len() >= 2);
    for (key, value) in stored {
        let text = String::from_utf8_lossy(&[key, value].concat()).to_lowercase();
        let hexed = hex::encode(INSIDE);
        for needle in [token.to_lowercase(), ticket.to_lowercase(), String::from("kanarienvogel"), hexed] {
            assert!(!text.contains(&needle), "{needle}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_and_so_does_one_that_is_used_all_the_time() {
    let mut house = House::new();
    let idle = Kind::Customer.idle_ms();
    let (used, unused) = (house.begin(Kind::Customer, None, None).await, house.begin(Kind::Customer, None, None).await);
    house.clock.pass(idle - 1);
    assert!(house.holds(Kind::Customer, &used).await);
    // When it was last used is known after a restart as well.
    house.restart();
    house.clock.pass(1);
    assert!(house.holds(Kind::Customer, &used).await);
    assert!(!house.holds(Kind::Customer, &unused).await);
    assert_eq!(house.sessions.tidy(house.clock.now()).await.unwrap(), 1);
    let mut passed = idle;
    while passed < Kind::Customer.whole_ms() - idle {
        house.clock.pass(idle / 2);
        passed += idle / 2;
        assert!(house.holds(Kind::Customer, &used).await, "after {passed}");
    }
    house.clock.pass(idle - 1);
    house.clock.pass(1);
    assert!(!house.holds(Kind::Customer, &used).await);
    assert_eq!(house.sessions.tidy(house.clock.now()).await.unwrap(), 1);
    house.restart();
    assert!(house.sessions.live.read().is_empty());
}

#[tokio::test]
async fn signing_in_gives_a_new_token_and_ends_what_the_browser_brought_along() {
    let mut house = House::new();
    let erika = house.person(1).await;
    let before = house.begin(Kind::Customer, None, None).await;
    let after = house.begin(Kind::Customer, Some(erika), Some(&before)).await;
    assert_ne!(before, after);
    assert!(!house.holds(Kind::Customer, &before).await && house.holds(Kind::Customer, &after).await);
    house.restart();
    assert!(!house.holds(Kind::Customer, &before).await && house.holds(Kind::Customer, &after).await);
    // Nobody chooses a token.
    let planted = written(&[7; 32]);
    let token = house.begin(Kind::Customer, Some(erika), Some(&planted)).await;
    assert!(token != planted && !house.holds(Kind::Customer, &planted).await);
    // An officer's token ends nothing of a customer's.
    let officer = house.begin(Kind::Officer, None, Some(&token)).await;
    assert!(house.holds(Kind::Customer, &token).await && house.holds(Kind::Officer, &officer).await);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_but_one() {
    let mut house = House::new();
    let (erika, otto) = (house.person(1).await, house.person(2).await);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(house.begin(Kind::Customer, Some(erika), None).await);
        house.clock.pass(1000);
    }
    let ottos = house.begin(Kind::Customer, Some(otto), None).await;
    let listed = house.sessions.list(Kind::Customer, erika);
    assert_eq!(listed.len(), 3);
    assert!(listed.windows(2).all(|pair| pair[0].began_at > pair[1].began_at), "the newest first");
    assert_eq!(SessionId::parse(&listed[2].id.to_string()), Some(listed[2].id));
    house.sessions.end(listed[2].id).await.unwrap();
    assert!(!house.holds(Kind::Customer, &tokens[0]).await);
    house.sessions.end_all(Kind::Customer, erika, Some(listed[0].id)).await.unwrap();
    house.restart();
    assert!(!house.holds(Kind::Customer, &tokens[1]).await && house.holds(Kind::Customer, &tokens[2]).await);
    house.sessions.end_all(Kind::Customer, erika, None).await.unwrap();
    assert!(!house.holds(Kind::Customer, &tokens[2]).await && house.holds(Kind::Customer, &ottos).await);
}

#[tokio::test]
async fn whoever_is_erased_is_signed_in_no_more() {
    let house = House::new();
    let (erika, otto) = (house.person(1).await, house.person(2).await);
    let unknown = house.begin(Kind::Customer, None, None).await;
    let id = house.sessions.find(Kind::Customer, &unknown).await.unwrap().unwrap().id;
    house.sessions.bind(id, erika).await.unwrap();
    let (one, other) =
        (house.begin(Kind::Customer, Some(erika), None).await, house.begin(Kind::Customer, Some(erika), None).await);
    let ottos = house.begin(Kind::Customer, Some(otto), None).await;
    house.vault.shred(&[(erika, vault::Class::STANDARD)]).unwrap();
    assert!(!house.holds(Kind::Customer, &one).await && !house.holds(Kind::Customer, &unknown).await);
    assert!(house.holds(Kind::Customer, &ottos).await);
    // What nobody uses any more goes as well.
    assert_eq!(house.sessions.tidy(START).await.unwrap(), 1);
    assert!(!house.holds(Kind::Customer, &other).await);
}

#[tokio::test]
async fn one_person_has_so_many_sessions_and_the_longest_unused_goes() {
    let house = House::new();
    let erika = house.person(1).await;
    let mut tokens = Vec::new();
    for _ in 0..PER_HOLDER_MAX {
        tokens.push(house.begin(Kind::Customer, Some(erika), None).await);
        house.clock.pass(1000);
    }
    assert!(house.holds(Kind::Customer, &tokens[0]).await, "used just now");
    tokens.push(house.begin(Kind::Customer, Some(erika), None).await);
    assert_eq!(house.sessions.list(Kind::Customer, erika).len(), PER_HOLDER_MAX);
    assert!(house.holds(Kind::Customer, &tokens[0]).await && !house.holds(Kind::Customer, &tokens[1]).await);
}

#[tokio::test]
async fn a_chosen_language_is_remembered() {
    let mut house = House::new();
    let token = house.begin(Kind::Customer, None, None).await;
    let id = house.sessions.find(Kind::Customer, &token).await.unwrap().unwrap().id;
    house.sessions.speak(id, "en").await.unwrap();
    house.restart();
    assert_eq!(house.sessions.find(Kind::Customer, &token).await.unwrap().unwrap().language.as_deref(), Some("en"));
}

#[tokio::test]
async fn a_ticket_works_once_for_what_it_is_for_and_not_for_long() {
    let mut house = House::new();
    let mut batch = Batch::default();
    let issue = Issue { purpose: "sign-in", inside: INSIDE, until: START + 1000, about: [7; 16] };
    let (ticket, late) = (house.sessions.issue(issue, &mut batch).unwrap(), house.sessions.issue(issue, &mut batch).unwrap());
    house.store.commit(batch).await.unwrap();
    house.restart();
    let refused = |outcome: Result<Vec<u8>, Error>| match outcome {
        Err(Error::Ticket(dead)) => dead,
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        assert_eq!(house.sessions.look("sign-in", &ticket, START).unwrap(), INSIDE, "looking changes nothing");
    }
    assert_eq!(refused(house.sessions.look("other", &ticket, START)), DeadTicket::Unknown);
    assert_eq!(refused(house.sessions.look("sign-in", &written(&[1; 32]), START)), DeadTicket::Unknown);
    let (mut one, mut other) = (Batch::default(), Batch::default());
    assert_eq!(house.sessions.redeem("sign-in", &ticket, START, &mut one).unwrap(), INSIDE);
    house.sessions.redeem("sign-in", &ticket, START, &mut other).unwrap();
    let opening = Opening { kind: Kind::Customer, holder: None, inside: INSIDE, language: None, instead_of: None };
    house.sessions.begin(opening, one).await.unwrap();
    assert!(matches!(house.sessions.begin(opening, other).await, Err(Error::Store(store::Error::Conflict))), "of two one wins");
    assert_eq!(house.sessions.live.read().len(), 1);
    assert_eq!(refused(house.sessions.look("sign-in", &ticket, START)), DeadTicket::Used);
    assert_eq!(refused(house.sessions.look("sign-in", &late, START + 1001)), DeadTicket::Expired);
    assert!(
        TICKETS.scan(&house.store, &[], None, 9).unwrap().iter().any(|(_, ticket)| ticket.is_used && ticket.sealed.is_empty())
    );
    assert!(house.sessions.tidy_tickets(START + 1001).await.unwrap().is_empty());
    let day = crate::clock::DAY_MS;
    assert_eq!(house.sessions.tidy_tickets(START + 1001 + day).await.unwrap(), [[7; 16], [7; 16]]);
    assert_eq!(refused(house.sessions.look("sign-in", &ticket, START)), DeadTicket::Unknown);
}

#[tokio::test]
async fn what_others_named_is_spent_once() {
    let house = House::new();
    let (mut one, mut other, mut again) = (Batch::default(), Batch::default(), Batch::default());
    house.sessions.spend("jwt", "web:1", START + 1, &mut one).unwrap();
    house.sessions.spend("jwt", "web:1", START + 1, &mut other).unwrap();
    house.sessions.spend("jwt", "web:2", START + 1, &mut one).unwrap();
    house.store.commit(one).await.unwrap();
    assert!(matches!(house.store.commit(other).await, Err(store::Error::Conflict)));
    assert!(matches!(house.sessions.spend("jwt", "web:1", START, &mut again), Err(Error::Ticket(DeadTicket::Used))));
    house.sessions.spend("jwt", "app:1", START, &mut again).unwrap();
}
