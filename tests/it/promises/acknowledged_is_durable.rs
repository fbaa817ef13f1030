//! P7: a 2xx survives `kill -9`. The power cut is in `crash.rs`, below the wire, where the disk can be taken away.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::harness::people::{Person, arrived, basic, id, send};
use crate::harness::{Gateway, project};

#[test]
fn what_was_answered_is_there_after_kill_9() {
    let mut gateway = Gateway::start();
    let mut expected = BTreeSet::new();
    for round in 0..6 {
        let person = Person::new(&format!("p{round}"));
        person.decides(&gateway, &[("analytics", "granted")]);
        for size in [1, 7, 40] {
            let events: Vec<_> = (0..size).map(|_| person.does("Product Viewed")).collect();
            let answer = send(&gateway, "wk_web", &events);
            assert_eq!(answer["accepted"], size);
            expected.extend(events.iter().map(id));
        }
        gateway.crash();
    }
    let arrived = arrived(&gateway);
    let unique: BTreeSet<String> = arrived.iter().cloned().collect();
    assert_eq!(unique, expected, "every acknowledged event arrives");
    assert_eq!(arrived.len(), unique.len(), "and arrives once");
}

#[test]
fn under_load_every_answered_event_survives_a_kill_at_any_moment() {
    // One thread, so that the events of many people are dealt with together.
    let mut gateway = Gateway::with_options(&project().join("policies"), &["--workers", "1"]);
    let people: Vec<Person> = (0..12).map(|i| Person::new(&format!("p{i}"))).collect();
    people.iter().for_each(|p| drop(p.decides(&gateway, &[("analytics", "granted")])));
    let mut acknowledged = BTreeSet::new();
    for kill_after in [40_usize, 90, 160] {
        let answered = Mutex::new(Vec::new());
        let address = gateway.address();
        let pid = gateway.pid();
        std::thread::scope(|scope| {
            for person in &people {
                let answered = &answered;
                scope.spawn(move || {
                    for _ in 0..400 {
                        let event = person.does("Product Viewed");
                        let Some(200) = post(address, &event) else { return };
                        let mut answered = answered.lock().unwrap();
                        answered.push(id(&event));
                        if answered.len() == kill_after {
                            let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
                            assert!(killed.success());
                        }
                    }
                });
            }
        });
        acknowledged.extend(answered.into_inner().unwrap());
        gateway.crash();
    }
    let arrived: BTreeSet<String> = arrived(&gateway).into_iter().collect();
    let missing: Vec<&String> = acknowledged.difference(&arrived).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged events are missing", missing.len(), acknowledged.len());
}

/// One event over a connection that may break; the status, if an answer came.
fn post(address: std::net::SocketAddr, event: &serde_json::Value) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let body = event.to_string();
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let head = format!(
        "POST /v1/track HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        basic("wk_web"),
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_decision_holds_from_its_answer_on_also_through_a_crash() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    for granted in [true, false, true, false] {
        erika.decides(&gateway, &[("analytics", if granted { "granted" } else { "denied" })]);
        gateway.crash();
        let event = erika.does("Product Viewed");
        send(&gateway, "wk_web", std::slice::from_ref(&event));
        assert_eq!(arrived(&gateway).contains(&id(&event)), granted);
    }
}

#[test]
fn a_message_that_is_sent_again_arrives_once_also_after_a_crash() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let event = erika.does("Product Viewed");
    for _ in 0..3 {
        send(&gateway, "wk_web", &[event.clone(), event.clone()]);
        gateway.crash();
    }
    assert_eq!(arrived(&gateway), [id(&event)]);
    let other_source = gateway.post("/v1/track", &basic("wk_app"), event.to_string().as_bytes());
    assert_eq!(other_source.status, 200);
    assert_eq!(arrived(&gateway).len(), 2, "another source's message of the same name is another message");
}

/// Each request holds messages that another one waits for, and waits for some that another one holds.
#[test]
fn the_same_messages_in_requests_at_the_same_time_arrive_once_in_whatever_order() {
    let gateway = Gateway::start();
    let people: Vec<Person> = (0..3).map(|i| Person::new(&format!("p{i}"))).collect();
    people.iter().for_each(|p| drop(p.decides(&gateway, &[("analytics", "granted")])));
    let mut expected = BTreeSet::new();
    for round in 0..12 {
        // Longer than what is looked up together, so that requests also meet in the middle.
        let events: Vec<_> = (0..70).map(|i| people[(i + round) % people.len()].does("Product Viewed")).collect();
        expected.extend(events.iter().map(id));
        let mut orders = vec![events.clone(); 4];
        orders[1].reverse();
        orders[2].rotate_left(35);
        orders[3].rotate_left(1);
        std::thread::scope(|scope| {
            for order in &orders {
                let gateway = &gateway;
                scope.spawn(move || assert_eq!(send(gateway, "wk_web", order)["accepted"], order.len()));
            }
        });
    }
    let arrived = arrived(&gateway);
    let unique: BTreeSet<String> = arrived.iter().cloned().collect();
    assert_eq!(unique, expected, "every event arrives");
    assert_eq!(arrived.len(), unique.len(), "and arrives once");
}

#[test]
fn a_second_gateway_on_the_same_folder_is_refused_with_words() {
    let gateway = Gateway::start();
    let second =
        gateway.command(&["serve", "--listen", "127.0.0.1:0", "--policies", project().join("policies").to_str().unwrap()]);
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains("another pforte"), "{words}");
}

#[test]
fn keys_of_another_store_are_refused_with_words() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    gateway.stop();
    std::fs::rename(gateway.path("keys"), gateway.path("keys.old")).unwrap();
    let start = ["serve", "--listen", "127.0.0.1:0", "--policies"];
    let policies = project().join("policies");
    let refused = gateway.command(&[&start[..], &[policies.to_str().unwrap()]].concat());
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("key"), "{words}");
    std::fs::remove_dir_all(gateway.path("keys")).ok();
    std::fs::rename(gateway.path("keys.old"), gateway.path("keys")).unwrap();
}
