//! `pforte policy`: check, show, diff, versions, test, reload.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::cli::cases;
use crate::cli::client::Gateway;
use crate::config::Remote;
use crate::policy::{self, Change, ConsentForm, Destination, DestinationKind, IdentifierForm, Policy, Severity};
use crate::texts::{Language, Words};

/// Checks, shows, tests and reloads the policy.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints every finding with file, line and cure; fails if one is an error
    Check(Folder),
    /// Prints what goes where, for which purposes, in which form
    Show {
        #[command(flatten)]
        folder: Folder,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Says what changed between two folders and who is asked again because of it; ends with 3 if somebody is
    Diff {
        /// The folder as it was
        old: PathBuf,
        /// The folder as it will be
        new: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Says which version was in force when, by the running gateway
    Versions(Remote),
    /// Runs the cases in `cases/` and says which do not hold
    Test(Folder),
    /// Asks the running gateway to read its policy again; if it does not lint, the old one stays
    Reload(Remote),
}

#[derive(clap::Args)]
struct Folder {
    /// The folder with the policy
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be used at all, or no gateway answers.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check(folder) => Ok(check(folder)),
        Command::Show { folder, json } => show(folder, *json),
        Command::Diff { old, new, json } => diff(old, new, *json),
        Command::Versions(remote) => versions(remote),
        Command::Test(folder) => cases::run(&folder.policies),
        Command::Reload(remote) => reload(remote),
    }
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}

fn check(folder: &Folder) -> ExitCode {
    let (policy, findings) = policy::examine(&folder.policies, &[]);
    for finding in &findings {
        say(&finding.to_string());
    }
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    match policy {
        Some(policy) => {
            say(&format!("{}: good, {warnings} warning(s), version {}", folder.policies.display(), policy.version));
            ExitCode::SUCCESS
        }
        None => {
            say(&format!("{}: {errors} error(s), {warnings} warning(s); it does not load", folder.policies.display()));
            ExitCode::FAILURE
        }
    }
}

fn load(folder: &Path) -> anyhow::Result<Policy> {
    policy::load(folder)
        .map_err(|findings| anyhow::anyhow!("{}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// Commands speak English.
const ENGLISH: Words = Words(Language::English);
/// What `diff` ends with when people are asked again.
const ASKS_AGAIN: u8 = 3;

fn diff(old: &Path, new: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let (old, new) = (load(old)?, load(new)?);
    let changes = policy::diff(&old, &new);
    let asks_again = changes.iter().any(|change| change.asks_again);
    if as_json {
        let change = |change: &Change| json!({"about": change.about.name(), "id": change.id, "asksAgain": change.asks_again, "words": change.words(ENGLISH)});
        let changes: Vec<_> = changes.iter().map(change).collect();
        let said = json!({"from": old.version, "to": new.version, "asksAgain": asks_again, "changes": changes});
        say(&serde_json::to_string_pretty(&said)?);
    } else {
        for change in &changes {
            let asks = if change.asks_again { "asks again" } else { "" };
            let about = format!("{} {}", change.about.name(), change.id);
            say(&format!("{asks:<12}{about:<32} {}", change.words(ENGLISH)));
        }
        say(match (changes.is_empty(), asks_again) {
            (true, _) => "nothing changed",
            (false, true) => "people are asked again",
            (false, false) => "nobody is asked again",
        });
    }
    Ok(if asks_again { ExitCode::from(ASKS_AGAIN) } else { ExitCode::SUCCESS })
}

fn show(folder: &Folder, as_json: bool) -> anyhow::Result<ExitCode> {
    let policy = load(&folder.policies)?;
    if as_json {
        say(&serde_json::to_string_pretty(&summary(&policy))?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{} (version {})", policy.controller.name, policy.version));
    say("\nPurposes");
    for purpose in &policy.purposes {
        let basis = serde_json::to_value(purpose.basis)?;
        let holds = purpose.consent_days.map_or(String::new(), |days| format!(", a grant holds {days} days"));
        let basis = basis.as_str().unwrap_or_default();
        say(&format!("  {:<18} {basis}, kept {} days{holds}", purpose.id, purpose.retention_days));
    }
    say("\nSources");
    for source in &policy.sources {
        let records = if source.records_decisions { "records decisions" } else { "records no decisions" };
        let trusted = if source.trusted_consent_events { ", also by event" } else { "" };
        say(&format!("  {:<18} write key {}, {records}{trusted}", source.id, source.write_key));
    }
    say("\nDestinations");
    for destination in &policy.destinations {
        let state = if destination.is_on() { "" } else { " (off)" };
        say(&format!("  {:<18} {}{state}, domain {}", destination.id, kind(destination), destination.domain));
        say(&format!("  {:<18} for {}", "", policy.names(destination.purposes).join(", ")));
        say(&format!("  {:<18} e-mail {}, phone {}", "", form(destination.email), form(destination.phone)));
        say(&format!("  {:<18} consent goes along {}", "", consent(destination.consent)));
        say(&format!("  {:<18} fields {}", "", destination.fields.join(", ")));
    }
    say("\nRoutes");
    for route in &policy.routes {
        let all = |list: Vec<&str>| if list.is_empty() { String::from("all") } else { list.join(", ") };
        let sources = all(route.sources.iter().filter_map(|i| policy.sources.get(*i)).map(|s| s.id.as_str()).collect());
        let events = all(route.types.iter().chain(&route.events).map(String::as_str).collect());
        let to = policy.destinations.get(route.destination).map_or("?", |d| d.id.as_str());
        say(&format!("  {:<18} {sources}: {events} -> {to}, for {}", route.id, policy.names(route.purposes).join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

const fn kind(destination: &Destination) -> &'static str {
    match destination.kind {
        DestinationKind::Profile => "embedded profile store",
        DestinationKind::File { .. } => "NDJSON file",
        DestinationKind::Webhook { .. } => "webhook",
    }
}

fn form(form: IdentifierForm) -> String {
    match form {
        IdentifierForm::None => String::from("never"),
        IdentifierForm::Keyed => String::from("keyed (HMAC of this domain)"),
        IdentifierForm::Partner(partner) => format!("unkeyed SHA-256 as {partner:?} asks"),
    }
}

const fn consent(form: ConsentForm) -> &'static str {
    match form {
        ConsentForm::Plain => "as `consent`",
        ConsentForm::Segment => "as Segment reads it",
        ConsentForm::Rudderstack => "as RudderStack reads it",
        ConsentForm::None => "not at all",
    }
}

fn summary(policy: &Policy) -> serde_json::Value {
    json!({
        "version": policy.version,
        "controller": policy.controller,
        "purposes": policy.purposes.iter().map(|p| json!({"id": p.id, "basis": p.basis, "title": p.title, "text": p.text,
            "retentionDays": p.retention_days, "consentDays": p.consent_days, "data": p.data})).collect::<Vec<_>>(),
        "sources": policy.sources.iter().map(|s| json!({"id": s.id, "kind": s.kind, "writeKey": s.write_key, "origins": s.origins,
            "recordsDecisions": s.records_decisions, "takesRequests": s.takes_requests, "trustedConsentEvents": s.trusted_consent_events})).collect::<Vec<_>>(),
        "destinations": policy.destinations.iter().map(|d| json!({"id": d.id, "kind": kind(d), "on": d.is_on(), "domain": d.domain,
            "purposes": policy.names(d.purposes), "fields": d.fields, "email": form(d.email), "phone": form(d.phone), "consent": d.consent})).collect::<Vec<_>>(),
        "routes": policy.routes.iter().map(|r| json!({"id": r.id, "types": r.types, "events": r.events,
            "sources": r.sources.iter().filter_map(|i| policy.sources.get(*i)).map(|s| &s.id).collect::<Vec<_>>(),
            "destination": policy.destinations.get(r.destination).map(|d| &d.id), "purposes": policy.names(r.purposes)})).collect::<Vec<_>>(),
    })
}

fn reload(remote: &Remote) -> anyhow::Result<ExitCode> {
    let answer = Gateway::find(remote)?.ask("POST", "/v1/policy/reload", None)?;
    let version = answer.get("version").and_then(serde_json::Value::as_str).unwrap_or_default();
    say(&format!("the gateway works with policy version {version} now"));
    Ok(ExitCode::SUCCESS)
}

fn versions(remote: &Remote) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::find(remote)?;
    let mut before = String::new();
    loop {
        let answer = gateway.ask("GET", &format!("/v1/policy/versions{before}"), None)?;
        for period in answer.get("versions").and_then(serde_json::Value::as_array).into_iter().flatten() {
            let text = |name: &str| period.get(name).and_then(serde_json::Value::as_str);
            let (since, until) = (text("since").unwrap_or_default(), text("until").unwrap_or("now"));
            say(&format!("{since:<26}{until:<26}{}", text("version").unwrap_or_default()));
        }
        let Some(next) = answer.get("next").and_then(serde_json::Value::as_u64) else { return Ok(ExitCode::SUCCESS) };
        before = format!("?before={next}");
    }
}
