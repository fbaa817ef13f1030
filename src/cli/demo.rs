//! `pforte demo`: the story of Erika Muster, played against a running gateway.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::client::Gateway;
use crate::cli::explain;
use crate::clock::Chance;
use crate::config::Remote;

/// How often the profile store is asked for an event that was just accepted, 20 ms apart.
const LOOKS_MAX: u32 = 250;
/// How long it waits between two looks.
const LOOK_AGAIN_MS: u64 = 20;

/// Plays the story of Erika Muster against a running gateway.
#[derive(clap::Args)]
pub struct Args {
    /// The language of explanations: de or en
    #[arg(long, default_value = "en")]
    language: String,
    #[command(flatten)]
    remote: Remote,
}

/// Erika, as the channels know her. New on every run, so that the story can be told again.
struct Erika {
    laptop: String,
    tablet: String,
    user_id: String,
    email: String,
    card: String,
}

impl Erika {
    fn new() -> anyhow::Result<Self> {
        let id = |bytes: [u8; 16]| uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        let chance = Chance::system();
        let tail = u32::from_be_bytes(chance.bytes()?) % 1_000_000;
        Ok(Self {
            laptop: id(chance.bytes()?),
            tablet: id(chance.bytes()?),
            user_id: format!("kunde-{tail:06}"),
            email: format!("erika.muster.{tail:06}@example.de"),
            card: format!("DE-4001{tail:09}"),
        })
    }
}

struct Stage {
    gateway: Gateway,
    language: String,
    erika: Erika,
    step: u32,
}

/// Runs the command.
///
/// # Errors
/// When no gateway answers, or the story does not end as it should.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::find(&args.remote)?;
    let mut stage = Stage { gateway, language: args.language.clone(), erika: Erika::new()?, step: 0 };
    stage.say(&format!("The story of Erika Muster, against {}", stage.gateway.url));
    stage.week()?;
    stage.ending()
}

impl Stage {
    fn week(&mut self) -> anyhow::Result<()> {
        let e = self.erika.copy();
        self.step("Day 1, laptop. Erika looks at a wine. Nobody has asked her yet.");
        self.event("wk_web", "web", &json!({"type": "page", "name": "Bordeaux", "anonymousId": e.laptop, "properties": {"url": "https://shop.example.de/rotwein/bordeaux"}}))?;

        self.step("She accepts analytics and personalisation on the banner, and that we recognise her across devices.");
        self.decide("wk_web", &json!({"anonymousId": e.laptop, "method": "banner", "language": "de",
            "decisions": {"analytics": "granted", "personalization": "granted", "identity_linking": "granted", "marketing_email": "denied", "ads_sharing": "denied"}}))?;

        self.step("She puts a red Bordeaux into the basket.");
        self.event("wk_web", "web", &json!({"type": "track", "event": "Product Added", "anonymousId": e.laptop,
            "properties": {"product_id": "4001234567890", "name": "Château Exemple 2019", "category": "Rotwein", "price": 18.9, "quantity": 2}}))?;

        self.step("Day 5, newsletter. She clicks a link on the laptop; now the e-mail address is known.");
        let click = self.click();
        self.event("wk_newsletter", "newsletter", &click)?;

        self.step("Day 7, in the shop. She agrees by word of mouth; the clerk records it for her card and e-mail address.");
        self.decide("wk_till", &json!({"identifiers": {"loyalty_card": e.card, "email": e.email}, "method": "spoken", "actor": "Kasse 3", "language": "de",
            "decisions": {"analytics": "granted", "personalization": "granted", "identity_linking": "granted"}}))?;

        self.step("She pays. The receipt goes to her by e-mail.");
        self.event("wk_till", "till", &json!({"type": "track", "event": "POS Purchase",
            "properties": {"receipt_id": "R-2026-0815", "total": 56.7, "currency": "EUR", "loyaltyCard": e.card, "email": e.email, "e_receipt": true,
                "products": [{"product_id": "4001234567890", "name": "Château Exemple 2019", "quantity": 3, "price": 18.9}]}}))?;

        self.step("The same evening, tablet. She signs in to the app.");
        self.event(
            "wk_app",
            "app",
            &json!({"type": "identify", "anonymousId": e.tablet, "userId": e.user_id,
            "traits": {"email": e.email, "name": "Erika Muster", "loyaltyCard": e.card}}),
        )
    }

    fn ending(&mut self) -> anyhow::Result<ExitCode> {
        self.step("What the profile store knows: one customer, under a pseudonym.");
        let profile = self.profile(4)?.context("the profile store does not know Erika's card")?;
        self.show(&profile);
        let channels = profile.get("channels").and_then(Value::as_array).map_or(0, Vec::len);
        let events = profile.get("events").and_then(Value::as_array).map_or(0, Vec::len);
        let told = profile.to_string();
        let plain = [&self.erika.email, &self.erika.user_id, &self.erika.card, &self.erika.laptop, &self.erika.tablet];
        let leaks = plain.iter().filter(|p| told.contains(p.as_str())).count() + usize::from(told.contains("Erika"));

        self.step("She withdraws personalisation, and clicks the same link once more.");
        let e = self.erika.copy();
        self.decide(
            "wk_app",
            &json!({"userId": e.user_id, "method": "portal", "language": "de", "decisions": {"personalization": "denied"}}),
        )?;
        let click = self.click();
        self.event("wk_newsletter", "newsletter", &click)?;
        let after = self.profile(0)?;
        let left = after.as_ref().and_then(|p| p.get("events")).and_then(Value::as_array).map_or(0, Vec::len);
        self.say(&format!("   The profile store shows {left} events for personalisation now."));

        let good = channels == 4 && events == 4 && leaks == 0 && left == 0;
        self.say(if good {
            "\nOne customer, four channels, exactly the events that she allowed, and no plain identifier. The end."
        } else {
            "\nThis is not how the story should end: it should be 4 channels, 4 events, no plain identifier, and none after the withdrawal."
        });
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn click(&self) -> Value {
        json!({"type": "track", "event": "Email Link Clicked", "anonymousId": self.erika.laptop,
            "properties": {"email": self.erika.email, "campaign_id": "NL-2026-11", "url": format!("https://shop.example.de/angebote?utm_campaign=NL-2026-11&email={}", self.erika.email)}})
    }

    fn event(&self, key: &str, source: &str, event: &Value) -> anyhow::Result<()> {
        let what = event
            .get("event")
            .or_else(|| event.get("name"))
            .or_else(|| event.get("type"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.say(&format!("   sent by {source}: {what}"));
        let body = json!({"source": source, "event": event, "language": self.language});
        for line in explain::lines(&self.gateway.ask("POST", "/v1/explain", Some(&body))?) {
            self.say(&format!("   {line}"));
        }
        self.gateway.send(key, "/v1/batch", &json!({"batch": [event]}))?;
        Ok(())
    }

    fn decide(&self, key: &str, body: &Value) -> anyhow::Result<()> {
        let language = body.get("language").and_then(Value::as_str).unwrap_or("de");
        let notice = self.gateway.read(key, &format!("/v1/notice?language={language}"))?;
        let text = |name: &str| notice.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let (name, version, hash) = (text("notice"), text("version"), text("hash"));
        self.say(&format!(
            "   shown: {}, version {}, {language}, SHA-256 {}",
            name.unwrap_or_default(),
            version.unwrap_or_default(),
            hash.as_deref().and_then(|hash| hash.get(..12)).unwrap_or_default()
        ));
        let mut body = body.clone();
        if let (Some(fields), Some(token)) = (body.as_object_mut(), notice.get("token")) {
            fields.insert(String::from("token"), token.clone());
        }
        let answer = self.gateway.send(key, "/v1/consents", &body)?;
        let decisions = answer.get("decisions").and_then(Value::as_object);
        for (purpose, decision) in decisions.into_iter().flatten() {
            let state = decision.get("state").and_then(Value::as_str).unwrap_or_default();
            self.say(&format!("   recorded: {purpose} {state}"));
        }
        Ok(())
    }

    /// The profile of whoever has Erika's card, once it shows at least so many events.
    fn profile(&self, events: usize) -> anyhow::Result<Option<Value>> {
        let who = json!({"identifiers": {"loyalty_card": self.erika.card}, "purpose": "personalization"});
        let customer = self.gateway.ask("POST", "/v1/profiles/lookup", Some(&who))?;
        let Some(id) = customer.get("customerId").and_then(Value::as_str) else { return Ok(None) };
        let path = format!("/v1/profiles/{id}?purpose=personalization");
        let mut profile = self.gateway.ask("GET", &path, None)?;
        for _ in 0..LOOKS_MAX {
            if profile.get("events").and_then(Value::as_array).map_or(0, Vec::len) >= events {
                break;
            }
            self.gateway.pause(LOOK_AGAIN_MS);
            profile = self.gateway.ask("GET", &path, None)?;
        }
        Ok(Some(profile))
    }

    fn show(&self, profile: &Value) {
        let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.say(&format!("   customer {}", text(profile, "customerId")));
        for channel in profile.get("channels").and_then(Value::as_array).into_iter().flatten() {
            let count = channel.get("events").and_then(Value::as_u64).unwrap_or_default();
            self.say(&format!("   channel  {:<10} {count} event(s)", text(channel, "source")));
        }
        for event in profile.get("events").and_then(Value::as_array).into_iter().flatten() {
            let name = event.get("event").or_else(|| event.get("name")).or_else(|| event.get("type")).and_then(Value::as_str);
            let email = event.pointer("/identifiers/email/value").and_then(Value::as_str).map(|v| format!("  e-mail as {v}"));
            self.say(&format!(
                "   event    {:<20} {}{}",
                name.unwrap_or_default(),
                text(event, "source"),
                email.unwrap_or_default()
            ));
        }
    }

    fn step(&mut self, text: &str) {
        self.step += 1;
        self.say(&format!("\n{}. {text}", self.step));
    }

    #[expect(clippy::print_stdout, clippy::unused_self, reason = "a command line speaks to its terminal")]
    fn say(&self, text: &str) {
        println!("{text}");
    }
}

impl Erika {
    fn copy(&self) -> Self {
        Self {
            laptop: self.laptop.clone(),
            tablet: self.tablet.clone(),
            user_id: self.user_id.clone(),
            email: self.email.clone(),
            card: self.card.clone(),
        }
    }
}
