//! `pforte retention`: what is stored how long, through the running gateway.

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::client::Gateway;
use crate::config::Remote;

/// Says what is stored how long, and hands out what a law obliges to keep.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints what goes when
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Prints what is kept for a duty, one record a line, for the authority that the law names
    Export {
        /// The duty's ID
        duty: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Runs the command.
///
/// # Errors
/// When no gateway answers, or nothing is kept for the duty.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Show { json, remote } => show(&Gateway::find(remote)?, *json)?,
        Command::Export { duty, remote } => export(&Gateway::find(remote)?, duty)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}

fn show(gateway: &Gateway, json: bool) -> anyhow::Result<()> {
    let answer = gateway.ask("GET", "/v1/retention", None)?;
    if json {
        say(&serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    let part = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    say("Events are kept for");
    for (purpose, days) in part("retentionDays").as_object().into_iter().flatten() {
        say(&format!("  {purpose:<18} {days} days"));
    }
    say("Events of the profile store that go in");
    for (month, events) in part("events").as_object().into_iter().flatten() {
        say(&format!("  {month:<18} {events}"));
    }
    let (people, over, years) = (part("people"), part("peopleOver"), part("proofYears"));
    say(&format!(
        "People and devices: {people}; of {over} nothing is left to be kept. Consents can be proven for {years} years."
    ));
    say("Kept because a law says so");
    for held in part("duties").as_array().into_iter().flatten() {
        let left = if held.get("inPolicy") == Some(&Value::Bool(false)) { " (not in the policy any more)" } else { "" };
        say(&format!("  {:<18} until {}: {} people{left}", text(held, "duty"), text(held, "until"), text(held, "people")));
    }
    match answer.get("latest") {
        None => say("There was no run yet."),
        Some(run) => {
            let gone = format!("{} people let go, {} ended for duties", text(run, "people"), text(run, "dutiesEnded"));
            say(&format!("Latest run: {}, {gone}", text(run, "begunAt")));
        }
    }
    Ok(())
}

fn export(gateway: &Gateway, duty: &str) -> anyhow::Result<()> {
    let path = format!("/v1/retention/{}", utf8_percent_encode(duty, NON_ALPHANUMERIC));
    let mut next = String::new();
    loop {
        let page = gateway.ask("GET", &format!("{path}{next}"), None)?;
        for record in page.get("records").and_then(Value::as_array).into_iter().flatten() {
            say(&record.to_string());
        }
        let Some(after) = page.get("next").and_then(Value::as_str) else { return Ok(()) };
        next = format!("?after={after}");
    }
}
