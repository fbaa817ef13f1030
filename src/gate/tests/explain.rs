//! Explanations name purposes, reasons and types, never values.

use serde_json::{Value, json};

use super::{ADS, ANALYTICS, PERSONAL, destination, domain, event, identifier, policy, route};
use crate::consent::Standing;
use crate::events::consent_object::Narrowing;
use crate::gate::explain::{Asked, Explanation, Outcome};
use crate::gate::{Question, Reason, explain};
use crate::id::CustomerId;
use crate::policy::Purposes;

fn explanation(lang: &str) -> Explanation {
    let mut policy = policy();
    policy.destinations.push(destination("shop", Purposes::one(PERSONAL).or(Purposes::one(ADS))));
    policy.routes.push(route("second", 1));
    let event =
        event(&json!({ "type": "track", "event": "E", "userId": "kunde-4711", "traits": { "email": "erika@muster.example" } }));
    let standing = Standing { granted: Purposes::one(ANALYTICS), denied: Purposes::one(PERSONAL), ..Standing::default() };
    let question =
        Question { source: 0, event: &event, standing: &standing, narrowing: &Narrowing::Unsaid, has_identifier: true };
    let identifiers = [identifier(&policy, "email", "erika@muster.example"), identifier(&policy, "user_id", "kunde-4711")];
    let asked = Asked { identifiers: &identifiers, links: Vec::new(), lang, received_at: 0 };
    explain(&policy, &question, &asked, |dest| Some((CustomerId([3; 16]), domain(&dest.domain))))
}

#[test]
fn each_destination_says_what_and_why_and_shows_what_would_leave() {
    let explanation = explanation("de");
    assert_eq!(explanation.identifiers, ["email", "user_id"]);
    let [profile, shop] = explanation.destinations.as_slice() else { unreachable!("two destinations") };
    assert_eq!((profile.outcome, profile.reason), (Outcome::Forward, None));
    assert_eq!(profile.event.as_ref().unwrap()["type"], "track");
    assert_eq!((shop.outcome, shop.reason), (Outcome::Withhold, Some("denied")));
    assert_eq!(shop.sentence, "Sie haben „Personalisierung“ nicht zugestimmt, deshalb geht dieses Ereignis nicht an „shop“.");
    assert_eq!(shop.purposes.needed, ["personalization", "ads_sharing"]);
    assert_eq!(shop.purposes.denied, ["personalization"]);
    assert_eq!(shop.purposes.missing, ["personalization", "ads_sharing"]);
    assert!(shop.event.is_none());
}

#[test]
fn an_explanation_holds_no_identifier() {
    for lang in ["de", "en", "fr", ""] {
        let text = serde_json::to_string(&explanation(lang)).unwrap();
        assert!(!text.contains("muster.example") && !text.contains("4711"), "{text}");
    }
}

#[test]
fn every_reason_has_its_own_code_and_a_sentence_in_both_languages() {
    let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let (de, en) = (reason.sentence("de-AT", "„Analyse“", "archiv"), reason.sentence("en", "“Analytics”", "archive"));
        assert!(de.ends_with('.') && en.ends_with('.') && de != en);
        assert!(de.contains("archiv") && en.contains("archive"), "{de} {en}");
    }
}

#[test]
fn the_answer_has_an_openapi_schema() {
    let schema = serde_json::to_value(<Explanation as utoipa::PartialSchema>::schema()).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    assert!(["policy", "identifiers", "destinations"].iter().all(|name| properties.contains_key(*name)));
    assert_ne!(serde_json::to_value(explanation("en")).unwrap()["destinations"], Value::Null);
}
