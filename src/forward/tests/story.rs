//! Named cases.

use serde_json::json;

use super::house::{FIVE_MINUTES, House, START, file, profile, webhook};
use super::server::{Reply, Server};
use crate::clock::DAY_MS;
use crate::outbox;

fn takes_all() -> Server {
    Server::start(|_, _| Reply::Status(200))
}

fn numbers(server: &Server) -> Vec<u64> {
    server.taken().iter().map(super::server::Call::n).collect()
}

#[tokio::test]
async fn an_allowed_event_reaches_every_destination_in_its_form() {
    let server = takes_all();
    let house = House::new(vec![webhook("hook", &server.url), file("archive"), profile()]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    let [call] = server.calls().try_into().unwrap();
    assert_eq!(call.headers["idempotency-key"], call.headers["webhook-id"]);
    assert_eq!(call.body["deliveryId"], call.headers["webhook-id"].as_str());
    assert!(call.body["customerId"].as_str().unwrap().starts_with("cus_"));
    assert!(!call.body.to_string().contains("erika"));
    let destination = webhook("hook", &server.url);
    let secret = house.forwarder.webhook_secrets(&destination).unwrap().remove(0);
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut signed = format!("{}.{}.", call.headers["webhook-id"], call.headers["webhook-timestamp"]).into_bytes();
    signed.extend_from_slice(&call.raw);
    let tag =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &call.headers["webhook-signature"][3..]).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    ring::hmac::verify(&key, &signed, &tag).unwrap();
    assert_eq!(house.in_file("archive", START), [1]);
    assert_eq!(house.profiles.events(), 1);
    assert_eq!(house.figures("hook").delivered, 1);
}

#[tokio::test]
async fn a_withdrawal_between_commit_and_dispatch_keeps_the_event_back() {
    let server = Server::start(|_, _| Reply::Status(500));
    let house = House::new(vec![webhook("hook", &server.url)]);
    house.grant("erika").await;
    house.grant("otto").await;
    house.send_together(&[("erika", 1), ("otto", 2)]).await;
    house.drain().await;
    house.decide("erika", 0, false).await;
    server.script(|_, _| Reply::Status(200));
    house.settle().await;
    assert_eq!(numbers(&server), [2]);
    assert_eq!(house.figures("hook").withheld.get("denied"), Some(&1));
    assert!(house.dead().is_empty());
}

#[tokio::test]
async fn a_withdrawal_keeps_back_parked_events_and_dead_letters_too() {
    let server = Server::start(|body, _| match body["properties"]["n"].as_u64() {
        Some(1) => Reply::Status(500),
        Some(2) => Reply::Status(400),
        _ => Reply::Status(200),
    });
    let house = House::new(vec![webhook("hook", &server.url)]);
    for user in ["erika", "otto", "ida"] {
        house.grant(user).await;
    }
    house.send_together(&[("erika", 1), ("otto", 2), ("ida", 3)]).await;
    house.drain().await;
    assert_eq!((numbers(&server), house.figures("hook").waiting, house.dead().len()), (vec![3], 1, 1));
    house.decide("erika", 0, false).await;
    house.decide("otto", 0, false).await;
    server.script(|_, _| Reply::Status(200));
    house.forwarder.replay(None, None, house.clock.now()).await.unwrap();
    house.settle().await;
    assert_eq!(numbers(&server), [3]);
    assert_eq!(house.figures("hook").withheld.get("denied"), Some(&2));
    assert!(house.dead().is_empty());
}

#[tokio::test]
async fn a_dead_destination_delays_no_other_and_gets_everything_when_it_is_back() {
    let gone = takes_all();
    let dead_url = "http://127.0.0.1:9/";
    let slow = Server::start(|_, _| Reply::Hang);
    let house =
        House::new(vec![webhook("gone", dead_url), webhook("slow", &slow.url), webhook("well", &gone.url), file("archive")]);
    house.grant("erika").await;
    for n in 0..40 {
        house.send("erika", n).await;
    }
    house.drain().await;
    let all: Vec<u64> = (0..40).collect();
    assert_eq!(numbers(&gone), all);
    assert_eq!(house.in_file("archive", START), all);
    assert_eq!(house.figures("gone").delivered, 0);
    slow.script(|_, _| Reply::Status(200));
    house.change(vec![webhook("gone", &gone.url), webhook("slow", &slow.url), webhook("well", &gone.url), file("archive")]);
    house.settle().await;
    assert_eq!(numbers(&slow), all);
    assert_eq!(house.figures("gone").delivered, 40);
    let newest = *house.store.watch(outbox::STREAM).borrow();
    assert!(house.store.chunks(outbox::STREAM, 0, 999).unwrap().iter().all(|c| c.id > newest.saturating_sub(64)));
}

#[tokio::test]
async fn chunks_go_when_all_have_passed_them_and_stay_while_one_has_not() {
    let server = Server::start(|_, _| Reply::Status(500));
    let house = House::new(vec![webhook("hook", &server.url), file("archive")]);
    house.grant("erika").await;
    for n in 0..5 {
        house.send("erika", n).await;
    }
    house.drain().await;
    assert_eq!(house.store.chunks(outbox::STREAM, 0, 99).unwrap().len(), 5);
    house.change(vec![file("archive")]);
    house.drain().await;
    house.send("erika", 5).await;
    house.drain().await;
    assert!(house.store.chunks(outbox::STREAM, 0, 99).unwrap().is_empty(), "who is off holds nothing back");
    assert_eq!(house.in_file("archive", START), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_destination_that_is_switched_on_later_gets_only_what_comes_from_then_on() {
    let server = takes_all();
    let house = House::new(vec![file("archive")]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    house.change(vec![file("archive"), webhook("hook", &server.url)]);
    house.send("erika", 2).await;
    house.drain().await;
    assert_eq!(numbers(&server), [2]);
    let house = house.restart().await;
    house.send("erika", 3).await;
    house.drain().await;
    assert_eq!(numbers(&server), [2, 3]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server = Server::start(|_, times| if times == 0 { Reply::Later(429, 120) } else { Reply::Status(200) });
    let house = House::new(vec![webhook("hook", &server.url)]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    house.clock.pass(119_000);
    house.drain().await;
    assert_eq!(server.calls().len(), 1);
    house.clock.pass(1000);
    house.drain().await;
    assert_eq!(numbers(&server), [1]);
}

#[tokio::test]
async fn a_dead_letter_tells_where_why_and_when_and_can_be_sent_again() {
    let server = Server::start(|body, _| if body["properties"]["n"] == 1 { Reply::Status(422) } else { Reply::Status(200) });
    let house = House::new(vec![webhook("hook", &server.url)]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.send("erika", 2).await;
    house.drain().await;
    assert_eq!(numbers(&server), [2], "what cannot be taken holds nothing up");
    let [letter] = house.dead().try_into().unwrap();
    assert_eq!((letter.destination.as_str(), letter.reason.as_str(), letter.attempts), ("hook", "http_422", 1));
    assert_eq!((letter.first_at, letter.last_at), (START, START));
    let house = house.restart().await;
    assert_eq!(house.forwarder.dead_letter_counts(), [(String::from("hook"), 1)]);
    server.script(|_, _| Reply::Status(200));
    let one = house.forwarder.replay(None, Some(&"0".repeat(32)), START).await.unwrap();
    assert_eq!((one.replayed, one.skipped), (0, 0));
    let one = house.forwarder.replay(Some("hook"), Some(&letter.id), START).await.unwrap();
    assert_eq!((one.replayed, one.skipped), (1, 0));
    house.drain().await;
    assert_eq!(numbers(&server), [2, 1]);
    assert!(house.dead().is_empty());
    assert_eq!(house.forwarder.dead_letter_counts(), [(String::from("hook"), 0)]);
    let keys: Vec<String> = server.calls().iter().filter(|c| c.n() == 1).map(|c| c.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn dead_letters_of_a_destination_that_is_off_stay_and_go_after_a_month() {
    let server = Server::start(|_, _| Reply::Status(400));
    let house = House::new(vec![webhook("hook", &server.url), file("archive")]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    house.change(vec![file("archive")]);
    let replayed = house.forwarder.replay(None, None, START).await.unwrap();
    assert_eq!((replayed.replayed, replayed.skipped), (0, 1));
    assert_eq!(house.forwarder.tidy(START + 29 * DAY_MS).await.unwrap(), 0);
    assert_eq!(house.forwarder.tidy(START + 31 * DAY_MS).await.unwrap(), 1);
    assert!(house.dead().is_empty());
}

#[tokio::test]
async fn what_fails_for_longer_than_the_policy_allows_becomes_a_dead_letter() {
    let server = Server::start(|_, _| Reply::Status(503));
    let house = House::new(vec![webhook("hook", &server.url)]);
    house.grant("erika").await;
    for n in 0..3 {
        house.send("erika", n).await;
    }
    house.drain().await;
    house.clock.pass(3 * DAY_MS + 1);
    house.send("erika", 3).await;
    house.drain().await;
    let reasons: Vec<String> = house.dead().into_iter().map(|d| d.reason).collect();
    assert_eq!(reasons, ["too_old"; 3]);
    server.script(|_, _| Reply::Status(200));
    house.settle().await;
    assert_eq!(numbers(&server), [3]);
}

#[tokio::test]
async fn parked_events_of_a_destination_that_goes_off_become_dead_letters() {
    let server = Server::start(|body, _| if body["properties"]["n"] == 1 { Reply::Status(500) } else { Reply::Status(200) });
    let house = House::new(vec![webhook("hook", &server.url), file("archive")]);
    house.grant("erika").await;
    house.grant("otto").await;
    house.send_together(&[("erika", 1), ("otto", 2)]).await;
    house.drain().await;
    assert_eq!(house.figures("hook").waiting, 1);
    let policy = super::house::policy(vec![file("archive")]);
    house.policy.replace(policy);
    let house = house.restart().await;
    // Retiring happens beside the start; it is over when the cursor is gone.
    for _ in 0..6000 {
        if house.dead().len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(house.dead()[0].reason, "destination_off");
}

#[tokio::test]
async fn an_erased_subject_leaves_nothing_to_send() {
    let server = Server::start(|_, _| Reply::Status(500));
    let house = House::new(vec![webhook("hook", &server.url), file("archive")]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    let keys: Vec<Vec<u8>> = house.store.scan(b"K", None, 10).unwrap().into_iter().map(|(key, _)| key).collect();
    let mut batch = crate::store::Batch::default();
    keys.into_iter().for_each(|key| batch.delete(key));
    house.store.commit(batch).await.unwrap();
    // The cache of unwrapped keys goes with the process.
    let house = house.restart().await;
    server.script(|_, _| Reply::Status(200));
    house.settle().await;
    assert_eq!(numbers(&server), Vec::<u64>::new());
    assert_eq!(house.figures("hook").gone, 1);
}

#[tokio::test]
async fn a_stop_in_the_middle_loses_nothing() {
    let server = takes_all();
    let mut house = House::new(vec![webhook("hook", &server.url), file("archive"), profile()]);
    house.grant("erika").await;
    house.grant("otto").await;
    for n in 0..120 {
        house.send(if n % 3 == 0 { "erika" } else { "otto" }, n).await;
        if n % 25 == 0 {
            house = house.restart().await;
        }
    }
    house.settle().await;
    let mut taken = numbers(&server);
    taken.sort_unstable();
    taken.dedup();
    let all: Vec<u64> = (0..120).collect();
    assert_eq!(taken, all);
    assert_eq!(house.in_file("archive", START), all);
    assert_eq!(house.profiles.events(), 120);
}

#[tokio::test]
async fn a_poisoned_event_does_not_starve_those_behind_it() {
    let server = Server::start(
        |body, _| if body["properties"]["n"].as_u64() < Some(40) { Reply::Status(500) } else { Reply::Status(200) },
    );
    let house = House::new(vec![webhook("hook", &server.url)]);
    for n in 0..60 {
        let user = format!("user-{n}");
        house.grant(&user).await;
        house.send(&user, n).await;
    }
    for _ in 0..10 {
        house.drain().await;
        house.clock.pass(FIVE_MINUTES);
    }
    let mut taken = numbers(&server);
    taken.sort_unstable();
    assert_eq!(taken, (40..60).collect::<Vec<u64>>());
    server.script(|_, _| Reply::Status(200));
    house.settle().await;
    assert_eq!(server.taken().len(), 60);
}

#[tokio::test]
async fn events_larger_than_the_profile_store_takes_are_told_and_hold_nothing_up() {
    let house = House::new(vec![profile()]);
    house.grant("erika").await;
    let long = "x".repeat(48_750);
    house.send_with("erika", None, &json!({"n": 1, "text": long})).await;
    house.send("erika", 2).await;
    house.drain().await;
    assert_eq!(house.profiles.events(), 1);
    assert_eq!(house.dead()[0].reason, "too_large");
}
