//! Rectifications that support takes in the console.

use serde_json::json;

use crate::harness::officers::{BEHIND_A_PROXY, Officer};
use crate::harness::people::Person;
use crate::harness::{Gateway, project};

/// A form for a rectification of somebody.
fn form<'a>(of: &'a str, rows: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [("kind", "rectification"), ("type", "email"), ("value", of), ("identified", "yes"), ("language", "de")];
    usual.into_iter().chain(rows.iter().copied()).collect()
}

#[test]
fn a_rectification_is_filed_seen_and_done() {
    let gateway = Gateway::with_options(&project().join("policies"), &BEHIND_A_PROXY);
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_app", &who, &[("personalization", "granted")]);
    let (right, card) = (format!("richtig.{}", erika.email), erika.card.clone());
    let mut jo = Officer::invited_by_command(&gateway, "jo", "support");
    let rows = [
        ("wrong_type_1", "email"),
        ("wrong_from_1", erika.email.as_str()),
        ("wrong_to_1", right.as_str()),
        ("trait_name_2", "city"),
        ("trait_value_2", "Mainz"),
        ("trait_name_3", "children"),
        ("trait_value_3", "2"),
        ("trait_form_3", "number"),
        ("trait_name_1", "member"),
        ("trait_form_1", "yes"),
    ];
    let filed = jo.browser.send("/console/file", &form(&erika.email, &rows));
    assert_eq!(filed.status, 303, "{}", filed.text);
    let path = filed.header("location").unwrap().split('?').next().unwrap().to_owned();
    let page = jo.browser.get(&path);
    for part in ["Berichtigen: E-Mail-Adresse (email)", &right, "Angabe: city", "<dd>Mainz</dd>", "<dd>2</dd>", "<dd>Ja</dd>"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let mut vera = Officer::invited_by_command(&gateway, "vera", "auditor");
    let hidden = vera.browser.get(&path);
    assert!(!hidden.text.contains(&right) && !hidden.text.contains("<dd>Mainz"), "an auditor sees no values: {}", hidden.text);
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    assert_eq!(ines.browser.send(&format!("{path}/approve"), &[("sure", "yes")]).status, 303);
    let (operator, id) = (format!("Bearer {}", gateway.operator()), path.rsplit('/').next().unwrap());
    let state = || gateway.get(&format!("/v1/requests/{id}?identifiers=false"), &operator).json()["state"].clone();
    gateway.wait_for("the rectification", || (state() == "done").then_some(()));
    let done = ines.browser.get(&path);
    assert!(done.text.contains("email, traits.children"), "{}", done.text);
    assert!(!done.text.contains(&right) && !done.text.contains(&card), "who asked is forgotten: {}", done.text);
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_its_number() {
    let gateway = Gateway::with_options(&project().join("policies"), &BEHIND_A_PROXY);
    let mut jo = Officer::invited_by_command(&gateway, "jo", "support");
    let csrf = jo.browser.csrf();
    let of = "otto@example.de";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "Bitte sagen Sie, was zu berichtigen ist."),
        (&[("wrong_type_1", "email")], "Bitte sagen Sie, was zu berichtigen ist."),
        (&[("wrong_from_2", of)], "Zeile 2: Bitte sagen Sie, welcher Art"),
        (&[("wrong_type_3", "email"), ("wrong_to_3", of)], "Zeile 3: Bitte sagen Sie, was falsch ist."),
        (&[("wrong_type_1", "email"), ("wrong_from_1", "keine Adresse")], "Zeile 1: Diese Angabe kann nicht gelesen werden."),
        (&[("wrong_type_1", "shoe"), ("wrong_from_1", of)], "Zeile 1: Diese Angabe kann nicht gelesen werden."),
        (&[("wrong_type_1", "device"), ("wrong_from_1", "a")], "Geräte kann man nicht berichtigen."),
        (&[("wrong_type_1", "email"), ("wrong_from_1", of), ("wrong_to_1", of)], "Nennen Sie jede Angabe nur einmal"),
        (&[("trait_value_1", "Mainz")], "Zeile 1: Bitte sagen Sie, wie das Merkmal heißt."),
        (&[("trait_name_1", "city")], "Zeile 1: Bitte sagen Sie, was richtig ist."),
        (&[("trait_name_1", "n"), ("trait_value_1", "viele"), ("trait_form_1", "number")], "Zeile 1: Das ist keine Zahl."),
        (&[("trait_name_1", "n"), ("trait_value_1", "1"), ("trait_form_1", "no")], "Zeile 1: Bei Ja und Nein"),
        (
            &[("trait_name_1", "n"), ("trait_value_1", "1"), ("trait_name_2", "n"), ("trait_value_2", "2")],
            "Zeile 2: Dieses Merkmal",
        ),
        (&[("trait_name_1", "a.b"), ("trait_value_1", "1")], "Der Name eines Merkmals hat Buchstaben"),
        (&[("trait_name_1", "city"), ("trait_value_1", "siehe otto@example.de")], "Der Name eines Merkmals hat Buchstaben"),
    ];
    for (rows, said) in cases {
        let fields: Vec<_> = form(of, rows).into_iter().chain([("csrf", csrf.as_str())]).collect();
        let answer = jo.browser.post("/console/file", &fields);
        assert_eq!(answer.status, 422, "{rows:?}: {}", answer.text);
        assert!(answer.text.contains(said), "{rows:?} {said}: {}", answer.text);
        assert!(answer.text.contains("<details open>"), "what is to be mended is seen");
    }
    let other = [("kind", "access"), ("type", "email"), ("value", of), ("trait_name_1", "city"), ("trait_value_1", "Mainz")];
    let answer = jo.browser.send("/console/file", &other);
    assert!(answer.status == 422 && answer.text.contains("gehört zu einer Berichtigung"), "{}", answer.text);
    let evil = "\"><script>alert(1)</script>";
    let answer =
        jo.browser.send("/console/file", &form(of, &[("wrong_from_1", evil), ("wrong_to_1", evil), ("trait_name_1", evil)]));
    assert!(answer.status == 422 && !answer.text.contains("<script>"), "{}", answer.text);
}
