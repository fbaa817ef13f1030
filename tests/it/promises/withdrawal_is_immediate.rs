//! P2: once a withdrawal is acknowledged, nothing that relied on the grant leaves: not from the queue, not from a retry, not from another
//! thread, not after a crash. What is first is told by what happened before what in this process, not by clocks.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::erasure_is_provable::{act, asked, has, policy_with, show};
use crate::harness::Gateway;
use crate::harness::hook::{Call, HANGS, Hook, tick};
use crate::harness::people::{Person, basic, send, token};

fn order(person: &Person) -> Value {
    numbered(person, 42)
}

/// An order that can be told apart at the recipient.
fn numbered(person: &Person, number: usize) -> Value {
    let mut order = person.does("Order Completed");
    order["properties"] = json!({"total": number, "currency": "EUR"});
    order
}

fn number(call: &Call) -> usize {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    usize::try_from(body["properties"]["total"].as_u64().unwrap()).unwrap()
}

fn preference(person: &Person) -> Value {
    json!({"type": "track", "event": "Segment Consent Preference Updated", "anonymousId": person.device,
        "messageId": uuid::Uuid::new_v4().to_string(), "context": {"consent": {"categoryPreferences": {"ads_sharing": false}}}})
}

fn withdraw(gateway: &Gateway, person: &Person, by_event: bool) {
    if by_event {
        send(gateway, "wk_web", &[preference(person)]);
    } else {
        person.decides(gateway, &[("ads_sharing", "denied")]);
    }
}

#[test]
fn nothing_begins_after_the_acknowledgement_however_much_waits() {
    let hook = Hook::start(200);
    let policy = policy_with(&hook);
    let gateway = Gateway::with_policies(policy.path());
    for round in 0..12 {
        let erika = Person::new("erika");
        erika.decides(&gateway, &[("ads_sharing", "granted")]);
        let before = hook.calls("/events").len();
        // Another thread sends all the time, and the withdrawal comes at another moment each round.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let orders: Vec<Value> = (0..20).map(|_| order(&erika)).collect();
                    let answer = gateway.post("/v1/batch", &basic("wk_web"), json!({"batch": orders}).to_string().as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            });
            gateway.wait_for("some to arrive", || (hook.calls("/events").len() > before + round).then_some(()));
            withdraw(&gateway, &erika, round % 2 == 1);
            let acknowledged = hook.calls("/events").len();
            (0..20).for_each(|_| drop(gateway.get("/healthz", "")));
            stop.store(true, Ordering::SeqCst);
            gateway.drain();
            assert_eq!(hook.calls("/events").len(), acknowledged, "round {round}: something left after the acknowledgement");
        });
    }
}

#[test]
fn what_waits_for_another_try_stays_also_over_a_crash() {
    let hook = Hook::start(500);
    let policy = policy_with(&hook);
    let mut gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        person.decides(&gateway, &[("ads_sharing", "granted")]);
        send(&gateway, "wk_web", &[order(person), order(person)]);
    }
    gateway.wait_for("a first try", || (!hook.calls("/events").is_empty()).then_some(()));
    withdraw(&gateway, &erika, false);
    gateway.crash();
    hook.answers(200);
    let taken = || hook.calls("/events").iter().filter(|call| call.status == 200).count();
    gateway.wait_for("his orders to arrive", || (taken() == 2).then_some(()));
    gateway.drain();
    assert_eq!(taken(), 2, "hers stay");
}

#[test]
fn dead_letters_that_come_back_after_a_withdrawal_stay() {
    let hook = Hook::start(400);
    let policy = policy_with(&hook);
    let gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for (number, person) in [&erika, &otto].into_iter().enumerate() {
        person.decides(&gateway, &[("ads_sharing", "granted")]);
        send(&gateway, "wk_web", &[numbered(person, number)]);
    }
    gateway.wait_for("both to be refused", || (hook.calls("/events").len() == 2).then_some(()));
    withdraw(&gateway, &erika, false);
    hook.answers(200);
    let replayed = gateway.wait_for("both to be dead letters", || {
        let answer = asked(&gateway, "/v1/dead-letters/replay", &json!({}));
        (answer.json()["replayed"] != 0).then(|| answer.json()["replayed"].as_u64().unwrap())
    });
    assert!(replayed >= 1);
    gateway.wait_for("his to arrive", || {
        drop(asked(&gateway, "/v1/dead-letters/replay", &json!({})));
        hook.calls("/events").iter().any(|call| call.status == 200).then_some(())
    });
    let taken: Vec<usize> = hook.calls("/events").iter().filter(|call| call.status == 200).map(number).collect();
    assert_eq!(taken, [1]);
}

/// How long a withdrawal may wait in these tests.
const CUT: Duration = Duration::from_millis(300);
const OPTIONS: [&str; 2] = ["--withdrawal-cut-ms", "300"];

/// Files what a person asks for, and approves it.
fn approved(gateway: &Gateway, kind: &str, person: &Person) -> String {
    let asks = json!({"kind": kind, "identifiers": {"device": person.device}, "identified": true});
    let id = asked(gateway, "/v1/requests", &asks).json()["id"].as_str().unwrap().to_owned();
    act(gateway, &id, "approve", &json!({}));
    id
}

/// Whatever the recipient was sent of these is named in the request, although it never answered.
fn names_who_may_have_it(gateway: &Gateway, request: &str, noted: &str) {
    let request = gateway.wait_for(noted, || Some(show(gateway, request)).filter(|request| has(request, noted)));
    let partner = request["recipients"].as_array().unwrap().iter().find(|one| one["id"] == "partner").unwrap().clone();
    assert_eq!(partner["events"], 0, "{partner}");
    assert!(partner["unclearAt"].is_string(), "{partner}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long somebody waits is what is promised; the bound is far from the machine's noise"
)]
fn a_recipient_that_hangs_holds_no_withdrawal_up_for_longer_than_the_cut_whichever_way_it_comes() {
    let hook = Hook::start(200);
    let policy = policy_with(&hook);
    let gateway = Gateway::with_options(policy.path(), &OPTIONS);
    let ways = [("consents", ""), ("event", ""), ("objection", "objected"), ("restriction", "restricted"), ("erasure", "erased")];
    for (round, (way, noted)) in ways.into_iter().enumerate() {
        let (erika, otto) = (Person::new("erika"), Person::new("otto"));
        for person in [&erika, &otto] {
            person.decides(&gateway, &[("ads_sharing", "granted")]);
        }
        hook.answers(HANGS);
        let (hers, his) = (10 * round, 10 * round + 1);
        let calls = |n: usize| hook.calls("/events").into_iter().filter(move |call| number(call) == n).collect::<Vec<Call>>();
        send(&gateway, "wk_web", &[numbered(&erika, hers), numbered(&erika, hers), numbered(&otto, his)]);
        gateway.wait_for("one of each on the wire", || (calls(hers).len() == 1 && calls(his).len() == 1).then_some(()));
        let begun = Instant::now();
        let request = (!noted.is_empty()).then(|| approved(&gateway, way, &erika));
        if request.is_none() {
            withdraw(&gateway, &erika, way == "event");
            assert!(begun.elapsed() >= CUT, "{way}: what was on the wire was not waited for");
        }
        gateway.wait_for("hers to be cut off", || calls(hers)[0].cut.then_some(()));
        hook.answers(200);
        if let Some(request) = request {
            names_who_may_have_it(&gateway, &request, noted);
        }
        gateway.wait_for("his to arrive", || (calls(his)[0].status == 200).then_some(()));
        gateway.drain();
        assert_eq!((calls(hers).len(), calls(his).len()), (1, 1), "{way}: hers is not sent again, and his was not disturbed");
    }
}

#[test]
fn a_crash_before_the_acknowledgement_brings_nothing_back() {
    let hook = Hook::start(HANGS);
    let policy = policy_with(&hook);
    let mut gateway = Gateway::with_options(policy.path(), &["--withdrawal-cut-ms", "20000"]);
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("ads_sharing", "granted")]);
    send(&gateway, "wk_web", &[order(&erika), order(&erika)]);
    gateway.wait_for("one on the wire", || (hook.calls("/events").len() == 1).then_some(()));
    // Nobody waits for the answer: it would come when the recipient is well again.
    let token = token(&gateway, "wk_web");
    let body = json!({"anonymousId": erika.device, "method": "banner", "decisions": {"ads_sharing": "denied"}, "token": token});
    let body = body.to_string();
    let head = format!("Host: x\r\nAuthorization: {}\r\nContent-Length: {}", basic("wk_web"), body.len());
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    write!(stream, "POST /v1/consents HTTP/1.1\r\n{head}\r\nContent-Type: application/json\r\n\r\n{body}").unwrap();
    let stands = format!("/v1/consents?anonymousId={}", erika.device);
    gateway.wait_for("it to be in force", || {
        (gateway.get(&stands, &basic("wk_web")).json()["decisions"]["ads_sharing"]["state"] == "withdrawn").then_some(())
    });
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.peek(&mut [0]).is_err(), "it was acknowledged while something was on the wire");
    gateway.kill();
    hook.answers(200);
    gateway.again();
    withdraw(&gateway, &erika, false);
    gateway.drain();
    assert_eq!(hook.calls("/events").len(), 1, "neither what was on the wire nor what waited");
}

/// When somebody's withdrawal was acknowledged, and when their next grant was asked for.
#[derive(Default)]
struct Pauses(Vec<(u64, u64)>);

impl Pauses {
    fn has(&self, at: u64) -> bool {
        self.0.iter().any(|(from, to)| (from..to).contains(&&at))
    }
}

#[test]
fn many_people_decide_while_the_recipient_fails_hangs_and_the_gateway_dies() {
    const PEOPLE: usize = 12;
    let hook = Hook::start(200);
    let policy = policy_with(&hook);
    let mut gateway = Gateway::with_options(policy.path(), &["--withdrawal-cut-ms", "100"]);
    let people: Vec<Person> = (0..PEOPLE).map(|n| Person::new(&format!("p{n}"))).collect();
    let mut pauses: Vec<Pauses> = people.iter().map(|_| Pauses::default()).collect();
    people.iter().for_each(|person| drop(person.decides(&gateway, &[("ads_sharing", "granted")])));
    for (round, status) in [200, 500, HANGS, 200, HANGS, 503, 200].into_iter().enumerate() {
        hook.answers(status);
        let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let orders: Vec<Value> = people.iter().enumerate().map(|(n, person)| numbered(person, n)).collect();
                    send(&gateway, "wk_web", &orders);
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
            for (n, person) in people.iter().enumerate() {
                // Whoever is in a pause ends it, the others begin one; each at another moment of the stream.
                let pause = pauses[n].0.last_mut().filter(|(_, to)| *to == u64::MAX);
                if let Some(pause) = pause {
                    pause.1 = tick();
                    person.decides(&gateway, &[("ads_sharing", "granted")]);
                } else {
                    withdraw(&gateway, person, (n + round) % 2 == 0);
                    pauses[n].0.push((tick(), u64::MAX));
                }
            }
            let seen = sent.load(Ordering::SeqCst);
            gateway.wait_for("some more events", || (sent.load(Ordering::SeqCst) > seen).then_some(()));
            stop.store(true, Ordering::SeqCst);
        });
        if round % 2 == 1 {
            gateway.crash();
        }
    }
    hook.answers(200);
    gateway.drain();
    let calls = hook.calls("/events");
    let taken = calls.iter().filter(|call| call.status == 200).count();
    assert!(taken > PEOPLE, "hardly anything was let through: {taken}");
    // What was cut off began before; the recipient may have come to read it later.
    for call in calls.iter().filter(|call| !call.cut) {
        let person = number(call);
        assert!(!pauses[person].has(call.began), "of person {person} something left after the acknowledgement: {}", call.status);
    }
}
