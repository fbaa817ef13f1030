//! P3: no plain identifier leaves, wherever it hides, and none is readable on disk, in logs or in errors.

use base64::Engine as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, basic, id, send, token};
use crate::harness::{CANARY, Gateway};

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// The ways in which a value can be written so that a person, or a recipient's parser, still reads it.
fn disguises(value: &str) -> Vec<String> {
    vec![
        value.to_owned(),
        value.to_uppercase(),
        format!(" {value}\u{a0}"),
        format!("mailto:{value}"),
        format!("Bitte an {value}, danke."),
        value.replace('@', "%40"),
        percent(value),
        percent(&percent(value)),
        value.replace('@', "&#64;"),
        value.replace('@', "\u{ff20}"),
        format!("{}\u{200b}{}", &value[..2], &value[2..]),
        format!("https://shop.example.de/?email={value}"),
        format!("https://shop.example.de/konto/{}", value.replace('@', "%40")),
        format!("https://shop.example.de/#{value}"),
        json!({"inner": {"mail": value}}).to_string(),
        base64::engine::general_purpose::STANDARD.encode(value),
    ]
}

/// The places of an event where text can stand.
fn placed(event: &mut Value, place: usize, text: &str) {
    match place {
        0 => event["properties"]["note"] = json!(text),
        1 => event["properties"]["deep"] = json!({"er": [{"still": [text]}]}),
        2 => event["properties"][text] = json!(1),
        3 => event["context"]["page"] = json!({"url": text, "title": text, "path": text, "referrer": text, "search": text}),
        4 => event["properties"]["url"] = json!(text),
        5 => event["context"]["campaign"] = json!({"name": text}),
        6 => event["traits"] = json!({"note": text}),
        7 => event["properties"]["products"] = json!([{"name": text, "product_id": text}]),
        8 => event["event"] = json!(text),
        _ => event["context"][text] = json!({text: text}),
    }
}
const PLACES: usize = 10;

#[test]
fn no_disguise_in_any_place_gets_an_address_out() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")]);
    let mut events = Vec::new();
    for place in 0..PLACES {
        for text in disguises(&erika.email) {
            let mut event = erika.does("Form Submitted");
            event["userId"] = json!(erika.user_id);
            event["properties"]["email"] = json!(erika.email);
            placed(&mut event, place, &text);
            events.push(event);
        }
    }
    for some in events.chunks(50) {
        send(&gateway, "wk_web", some);
    }
    let arrived = arrived(&gateway);
    assert_eq!(arrived.len(), events.len(), "the events must arrive, or this test proves nothing");
    nothing_leaked(&gateway, &erika);
}

/// Reads what arrived as a curious recipient would, decoding what can be decoded.
fn nothing_leaked(gateway: &Gateway, person: &Person) {
    let mut files = Vec::new();
    for event in gateway.archive() {
        files.push(event.to_string());
    }
    let plain = [&person.email, &person.user_id, &person.device, &person.phone, &person.card];
    let encoded = base64::engine::general_purpose::STANDARD.encode(&person.email);
    for line in &files {
        let once = percent_encoding::percent_decode_str(line).decode_utf8_lossy().into_owned();
        let twice = percent_encoding::percent_decode_str(&once).decode_utf8_lossy().into_owned();
        for text in [line.clone(), once, twice] {
            let folded: String = text.to_lowercase().replace(['\u{200b}'], "").replace('\u{ff20}', "@").replace("&#64;", "@");
            for value in plain {
                assert!(!folded.contains(&value.to_lowercase()), "a plain identifier left in: {line}");
            }
            assert!(!folded.contains(CANARY), "part of an identifier left in: {line}");
            assert!(!text.contains(&encoded), "an encoded address left in: {line}");
        }
    }
}

#[test]
fn generated_hiding_places_leak_nothing_either() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let mut runner = TestRunner::new(Config::default());
    let strategy = (0..PLACES, 0..16_usize, 0..4_usize, "[ a-zA-ZäöüÄÖÜß0-9/&?=._-]{0,24}", "[ a-zA-ZäöüÄÖÜß0-9/&?=._-]{0,24}");
    let mut sent = 0;
    for _ in 0..6 {
        let mut events = Vec::new();
        for _ in 0..60 {
            let (place, disguise, which, before, after) = strategy.new_tree(&mut runner).unwrap().current();
            let value = [&erika.email, &erika.user_id, &erika.email, &erika.device][which];
            let hidden = if which % 2 == 0 { disguises(value)[disguise].clone() } else { value.clone() };
            let mut event = erika.does("Form Submitted");
            event["userId"] = json!(erika.user_id);
            event["traits"] = json!({"email": erika.email, "name": erika.name});
            placed(&mut event, place, &format!("{before} {hidden} {after}"));
            events.push(event);
        }
        sent += events.len();
        send(&gateway, "wk_web", &events);
    }
    assert_eq!(arrived(&gateway).len(), sent);
    nothing_leaked(&gateway, &erika);
}

#[test]
fn an_address_leaves_only_in_the_form_of_the_contract() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let mut event = erika.does("Newsletter Ordered");
    event["traits"] = json!({"email": format!("  {} ", erika.email.to_uppercase()), "phone": erika.phone, "name": erika.name});
    let mut same = erika.does("Newsletter Ordered");
    same["properties"]["email"] = json!(erika.email);
    send(&gateway, "wk_web", &[event.clone(), same.clone()]);
    arrived(&gateway);
    let archive = gateway.archive();
    let of =
        |e: &Value| archive.iter().find(|a| a["messageId"] == id(e)).unwrap().pointer("/identifiers/email").cloned().unwrap();
    assert_eq!(of(&event), of(&same), "one address, however written, has one keyed form");
    assert_eq!(of(&event)["form"], "keyed");
    let plain = ring::digest::digest(&ring::digest::SHA256, erika.email.as_bytes());
    assert!(!archive.iter().any(|a| a.to_string().contains(&hex::encode(plain.as_ref()))), "an unkeyed hash can be guessed");
    nothing_leaked(&gateway, &erika);
}

#[test]
fn numbers_of_articles_prices_and_dates_survive() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let mut event = erika.does("Order Completed");
    let harmless = json!({"product_id": "4001234567890", "price": 12.9, "total": 1234567.89, "order_id": "W-20260815", "currency": "EUR",
        "date": "2026-11-24", "at": "2026-11-24T10:00:00.000Z", "name": "Spätburgunder 2019", "quantity": 12});
    event["properties"] = harmless.clone();
    send(&gateway, "wk_web", std::slice::from_ref(&event));
    arrived(&gateway);
    assert_eq!(gateway.archive()[0]["properties"], harmless);
}

#[test]
fn neither_files_nor_logs_nor_errors_hold_an_identifier() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("personalization", "granted")]);
    erika.decides_as(
        &gateway,
        "wk_till",
        &json!({"identifiers": {"email": erika.email, "loyalty_card": erika.card, "phone": erika.phone}, "method": "spoken", "actor": format!("Kasse {CANARY}")}),
        &[("analytics", "granted")],
    );
    let mut event = erika.does("Order Completed");
    event["userId"] = json!(erika.user_id);
    event["traits"] = json!({"email": erika.email, "phone": erika.phone, "name": erika.name, "loyaltyCard": erika.card});
    send(&gateway, "wk_web", &[event]);
    // Errors must not give back what they refuse.
    let bad = [
        json!({"anonymousId": erika.device, "email": erika.email, "decisions": {}}),
        json!({"anonymousId": erika.device, "decisions": {erika.email.clone(): "granted"}, "method": "banner"}),
        json!({"anonymousId": erika.device, "decisions": {"analytics": erika.email}, "method": erika.email}),
        json!({"identifiers": {erika.email.clone(): erika.email}, "decisions": {"analytics": "granted"}, "method": "spoken"}),
    ];
    for mut body in bad {
        body["token"] = token(&gateway, "wk_web").into();
        let answer = gateway.post("/v1/consents", &basic("wk_web"), body.to_string().as_bytes());
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
    gateway.get(&format!("/v1/{}", erika.email), "");
    gateway.get(&format!("/v1/consents?anonymousId={}", erika.device), &basic("wk_web"));
    gateway.drain();
    gateway.assert_nowhere(CANARY);
    gateway.assert_nowhere(&erika.device);
    gateway.restart();
    gateway.crash();
    gateway.assert_nowhere(CANARY);
    gateway.assert_nowhere(&erika.device);
}
