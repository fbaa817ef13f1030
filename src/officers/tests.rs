use std::sync::Arc;

use super::*;
use crate::store::Options;

const START: Millis = 1_764_115_200_000;
const PASSWORD: &str = "Riesling vom Schiefer";

struct House {
    folder: tempfile::TempDir,
    store: Store,
    officers: Officers,
    audit: Arc<Audit>,
}

impl House {
    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    fn over(folder: tempfile::TempDir) -> Self {
        let chance = Chance::system();
        let store = Store::open(&folder.path().join("data"), &Options::default()).unwrap();
        let vault = Arc::new(Vault::open(&folder.path().join("keys"), &store, &chance).unwrap());
        let audit = Arc::new(Audit::new(store.clone(), Arc::clone(&vault)));
        let officers = Officers::open((&store, &vault, &audit), &folder.path().join("data"), &chance).unwrap();
        Self { folder, store, officers, audit }
    }

    /// What was tried in vain is noted beside the answer: until all of it is.
    async fn noted(&self) {
        while Arc::strong_count(&self.audit) > 2 {
            tokio::task::yield_now().await;
        }
    }

    async fn restarted(self) -> Self {
        self.noted().await;
        self.store.close().unwrap();
        let Self { folder, store, officers, audit } = self;
        drop((officers, audit, store));
        Self::over(folder)
    }

    fn token(&self, name: &str, role: Role, renews: bool) -> String {
        let order = invitation::Order { name: name.to_owned(), role, renews, by: String::from("operator") };
        invitation::create(&self.folder.path().join("data"), &Chance::system(), order, START).unwrap().1
    }

    fn code(&self, token: &str, at: Millis) -> String {
        code(&factor::secret(&self.officers.vault, token), at)
    }

    /// Somebody who has an account: their secret and recovery codes.
    async fn enrolled(&self, name: &str, role: Role) -> (Vec<u8>, Vec<String>) {
        let token = self.token(name, role, false);
        let codes = self.officers.enrol(&token, PASSWORD, &self.code(&token, START), START).await.unwrap();
        (factor::secret(&self.officers.vault, &token).to_vec(), codes)
    }

    async fn signs_in(&self, (name, password, code): (&str, &str, &str), at: Millis) -> Result<Entrance, Error> {
        let client = [203, 0, 113, u8::try_from(at / 1000 % 250).unwrap()].into();
        self.officers.sign_in(&Attempt { name, password, code, browser: None, client }, at).await
    }

    async fn admin(&self) -> Admin {
        if self.officers.find("anton").is_none() {
            self.enrolled("anton", Role::Admin).await;
        }
        Admin::of(&self.officers.find("anton").unwrap()).unwrap()
    }

    fn audited(&self) -> Vec<String> {
        let question = audit::Question { limit: 100, ..audit::Question::default() };
        let mut all: Vec<String> =
            self.audit.list(&question).unwrap().into_iter().map(|(_, e)| format!("{} {}", e.who, e.what)).collect();
        all.reverse();
        all
    }
}

fn code(secret: &[u8], at: Millis) -> String {
    use totp_rs::Builder;
    let totp = Builder::new().with_secret(secret.to_vec()).with_account_name("x").build().unwrap();
    totp.generate(u64::try_from(at / 1000).unwrap()).to_string()
}

const STEP: Millis = 30_000;

#[tokio::test]
async fn password_and_code_together_let_in_and_a_code_works_once() {
    let house = House::new();
    let (secret, _) = house.enrolled("ines", Role::Dpo).await;
    let now = code(&secret, START);
    assert!(matches!(house.signs_in(("ines", PASSWORD, &now), START).await, Err(Error::Refused)), "it set up the account");
    let next = code(&secret, START + STEP);
    let entrance = house.signs_in(("ines", PASSWORD, &next), START + STEP).await.unwrap();
    assert_eq!((entrance.officer.name(), entrance.officer.role(), entrance.recovery_left), ("ines", Role::Dpo, None));
    for at in [START + STEP, START + 2 * STEP] {
        assert!(matches!(house.signs_in(("ines", PASSWORD, &next), at).await, Err(Error::Refused)), "used");
    }
    let house = house.restarted().await;
    assert!(matches!(house.signs_in(("ines", PASSWORD, &next), START + 2 * STEP).await, Err(Error::Refused)), "used before");
    let at = START + 10 * STEP;
    let (right, early) = (code(&secret, at), code(&secret, at + STEP));
    let (one, two) = tokio::join!(house.signs_in(("ines", PASSWORD, &right), at), house.signs_in(("ines", PASSWORD, &right), at));
    assert_eq!([one, two].iter().filter(|entrance| entrance.is_ok()).count(), 1, "twice at one moment");
    assert!(house.signs_in(("ines", PASSWORD, &early), at).await.is_ok(), "a phone may be half a minute ahead");
    let back = code(&secret, at);
    assert!(matches!(house.signs_in(("ines", PASSWORD, &back), at).await, Err(Error::Refused)), "time goes forward alone");
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same_and_the_audit_knows() {
    let house = House::new();
    let (secret, codes) = house.enrolled("ines", Role::Dpo).await;
    let at = START + STEP;
    let good = code(&secret, at);
    for attempt in [
        ("nobody", PASSWORD, good.as_str()),
        ("ines", "Riesling vom Kalk", good.as_str()),
        ("ines", PASSWORD, "000000"),
        ("ines", PASSWORD, ""),
        ("Ines", PASSWORD, good.as_str()),
        ("ines\n", PASSWORD, codes[0].as_str()),
    ] {
        assert!(matches!(house.signs_in(attempt, at).await, Err(Error::Refused)), "{attempt:?}");
    }
    house.noted().await;
    let all = house.audited();
    assert_eq!(all.iter().filter(|line| *line == "officer:ines sign_in_failed").count(), 3, "{all:?}");
    assert_eq!(all.iter().filter(|line| *line == "nobody sign_in_failed").count(), 3, "{all:?}");
}

#[tokio::test]
async fn guessing_waits_and_a_known_browser_does_not() {
    let house = House::new();
    let (secret, _) = house.enrolled("ines", Role::Dpo).await;
    let at = START + STEP;
    let client = [203, 0, 113, 9].into();
    let good = code(&secret, at);
    let first = Attempt { name: "ines", password: PASSWORD, code: &good, browser: None, client };
    let browser = house.officers.sign_in(&first, at).await.unwrap().browser;
    let at = at + STEP;
    let wrong = Attempt { code: "000000", ..first };
    let mut tries = 0;
    let seconds = loop {
        match house.officers.sign_in(&wrong, at).await {
            Err(Error::Refused) => tries += 1,
            Err(Error::Wait { seconds }) => break seconds,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((tries, seconds), (5, 16));
    let unknown = Attempt { name: "nobody", client: [203, 0, 113, 10].into(), ..wrong };
    for _ in 0..5 {
        assert!(matches!(house.officers.sign_in(&unknown, at).await, Err(Error::Refused)));
    }
    assert!(matches!(house.officers.sign_in(&unknown, at).await, Err(Error::Wait { seconds: 16 })), "as for one that exists");
    let good = code(&secret, at);
    let elsewhere = Attempt { code: &good, client: [198, 51, 100, 1].into(), ..first };
    assert!(matches!(house.officers.sign_in(&elsewhere, at).await, Err(Error::Wait { .. })), "strangers wait, whoever they are");
    let forged = format!("{}{}", browser.split_once('.').unwrap().0, ".00000000000000000000000000000000");
    let pretending = Attempt { browser: Some(&forged), ..elsewhere };
    assert!(matches!(house.officers.sign_in(&pretending, at).await, Err(Error::Wait { .. })));
    let theirs = Attempt { browser: Some(&browser), client, ..elsewhere };
    assert!(house.officers.sign_in(&theirs, at).await.is_ok(), "from a browser that was signed in before");
}

#[tokio::test]
async fn recovery_codes_work_once_each() {
    let house = House::new();
    let (_, codes) = house.enrolled("ines", Role::Dpo).await;
    let loud = codes[0].to_uppercase().replace('-', " ");
    let entrance = house.signs_in(("ines", PASSWORD, &loud), START + STEP).await.unwrap();
    assert_eq!(entrance.recovery_left, Some(9));
    assert!(matches!(house.signs_in(("ines", PASSWORD, &codes[0]), START + STEP).await, Err(Error::Refused)));
    assert_eq!(house.signs_in(("ines", PASSWORD, &codes[1]), START + STEP).await.unwrap().recovery_left, Some(8));
}

#[tokio::test]
async fn invitations_work_once_in_time_for_their_name_and_tell_nothing() {
    let house = House::new();
    let token = house.token("ines", Role::Support, false);
    let over = START + invitation::VALID_MS;
    assert!(matches!(house.officers.invited(&token, "Muster", over), Err(Error::NoInvitation)));
    for broken in ["", "_", "x_y", "../../etc/passwd_00", &token[1..], &format!("{token}0"), &token.replace('_', "__")] {
        assert!(matches!(house.officers.invited(broken, "Muster", START), Err(Error::NoInvitation)), "{broken}");
    }
    let (invited, setup) = house.officers.invited(&token, "Muster", START).unwrap();
    assert_eq!((invited.name.as_str(), invited.role), ("ines", Role::Support));
    assert_eq!(house.officers.invited(&token, "Muster", START).unwrap().1.secret, setup.secret, "the same at the second look");
    let good = house.code(&token, START);
    let enrol = async |password: &str, code: &str| house.officers.enrol(&token, password, code, START).await;
    assert!(matches!(enrol("kurz", &good).await, Err(Error::TooShort)));
    assert!(matches!(enrol("ganz ines lang genug", &good).await, Err(Error::Unfit)));
    assert!(matches!(enrol(&"x".repeat(129), &good).await, Err(Error::Unfit)));
    assert!(matches!(enrol(PASSWORD, "000000").await, Err(Error::Refused)));
    let (one, two) = tokio::join!(enrol(PASSWORD, &good), enrol(PASSWORD, &good));
    assert_eq!([&one, &two].iter().filter(|codes| codes.is_ok()).count(), 1, "it works once");
    assert!(house.officers.invitations(START).is_empty());
    let again = house.token("ines", Role::Admin, false);
    assert!(matches!(house.officers.invited(&again, "Muster", START), Err(Error::NoInvitation)), "names are never given twice");
    let nobody = house.token("nobody", Role::Admin, true);
    assert!(matches!(house.officers.invited(&nobody, "Muster", START), Err(Error::NoInvitation)), "nobody to be renewed");
    house.officers.tidy(over).unwrap();
    assert_eq!(std::fs::read_dir(house.folder.path().join("data").join(invitation::FOLDER)).unwrap().count(), 0);
    for name in ["", "i", "Ines", "1nes", "ines k", "ines@example.de", &"x".repeat(41), "operator/../x"] {
        assert!(!invitation::is_name(name), "{name}");
    }
}

#[tokio::test]
async fn whatever_changes_an_account_ends_its_sessions_and_is_in_the_audit() {
    let house = House::new();
    let admin = house.admin().await;
    let (secret, _) = house.enrolled("ines", Role::Support).await;
    let generation = || house.officers.find("ines").map(|officer| (officer.role(), officer.generation()));
    assert_eq!(generation(), Some((Role::Support, 1)));
    house.officers.set_role(&admin, "ines", Role::Dpo, START).await.unwrap();
    house.officers.set_role(&admin, "ines", Role::Dpo, START).await.unwrap();
    assert_eq!(generation(), Some((Role::Dpo, 2)), "the same role is no change");
    let ines = house.officers.find("ines").unwrap();
    let wrong = house.officers.change_password(&ines, "falsch und lang", "Silvaner vom Keuper", START).await;
    assert!(matches!(wrong, Err(Error::Refused)));
    house.officers.change_password(&ines, PASSWORD, "Silvaner vom Keuper", START).await.unwrap();
    assert_eq!(generation(), Some((Role::Dpo, 3)));
    let at = START + STEP;
    assert!(matches!(house.signs_in(("ines", PASSWORD, &code(&secret, at)), at).await, Err(Error::Refused)));
    assert!(house.signs_in(("ines", "Silvaner vom Keuper", &code(&secret, at)), at).await.is_ok());
    assert_eq!(generation(), Some((Role::Dpo, 3)), "signing in ends nobody's session");
    let token = house.officers.renew(&admin, "ines", START).await.unwrap();
    house.officers.enrol(&token, "Scheurebe vom Letten", &house.code(&token, START), START).await.unwrap();
    assert_eq!(generation(), Some((Role::Dpo, 4)));
    assert!(matches!(house.officers.remove(&admin, "anton", START).await, Err(Error::LastAdmin)));
    assert!(matches!(house.officers.set_role(&admin, "anton", Role::Dpo, START).await, Err(Error::LastAdmin)));
    house.officers.remove(&admin, "ines", START).await.unwrap();
    assert_eq!(generation(), None);
    let at = at + STEP;
    assert!(matches!(house.signs_in(("ines", "Scheurebe vom Letten", "000000"), at).await, Err(Error::Refused)));
    assert!(matches!(house.officers.invite(&admin, "ines", Role::Dpo, START).await, Err(Error::NameTaken)));
    assert!(matches!(house.officers.renew(&admin, "ines", START).await, Err(Error::NoOfficer)));
    let house = house.restarted().await;
    assert_eq!(house.officers.find("ines"), None, "also after a restart");
    let all = house.audited();
    let expected = [
        "officer:anton enrolled",
        "officer:ines enrolled",
        "officer:anton role_changed",
        "officer:ines password_changed",
        "officer:ines signed_in",
        "officer:anton renewal_offered",
        "officer:ines renewed",
        "officer:anton officer_removed",
    ];
    let acts: Vec<&str> = all.iter().map(String::as_str).filter(|line| !line.ends_with("failed")).collect();
    assert_eq!(acts, expected);
}

#[test]
fn each_role_has_what_the_table_says_and_nothing_else() {
    let officer = |role| Officer { holder: crate::id::SubjectId([0; 16]), name: String::from("x"), role, generation: 1 };
    let has = |role| {
        let officer = officer(role);
        let all = [
            officer.may::<Reader>(),
            officer.may::<Desk>(),
            officer.may::<Dpo>(),
            officer.may::<Inspector>(),
            officer.may::<Admin>(),
        ];
        assert_eq!(all[2], Dpo::of(&officer).is_some_and(|dpo| dpo.who() == "officer:x"));
        all
    };
    assert_eq!(has(Role::Dpo), [true, true, true, true, false]);
    assert_eq!(has(Role::Auditor), [true, false, false, true, false]);
    assert_eq!(has(Role::Support), [true, true, false, false, false]);
    assert_eq!(has(Role::Admin), [false, false, false, false, true]);
    assert!(Role::ALL.iter().all(|role| Role::parse(role.name()) == Some(*role)));
}
