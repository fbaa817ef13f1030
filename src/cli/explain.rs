//! `pforte explain`: says where an event would go and why, without sending it.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::client::Gateway;
use crate::config::Remote;

/// Says where an event would go and why, without sending it.
#[derive(clap::Args)]
pub struct Args {
    /// The source that would send it, by its ID
    #[arg(long, default_value = "web")]
    source: String,
    /// The language of the explanation
    #[arg(long, default_value = "en")]
    language: String,
    /// Prints the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// A file with the event as JSON; `-` reads it from the terminal
    #[arg(default_value = "-")]
    event: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

/// Runs the command.
///
/// # Errors
/// When the event is not JSON or the gateway does not answer.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = if args.event.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(&args.event).with_context(|| format!("cannot read {}", args.event.display()))?
    };
    let event: Value = serde_json::from_str(&text).context("the event is not valid JSON")?;
    let body = json!({"source": args.source, "event": event, "language": args.language});
    let answer = Gateway::find(&args.remote)?.ask("POST", "/v1/explain", Some(&body))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        for line in lines(&answer) {
            println!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The explanation as lines for a terminal, one destination each, then one for each link that keeps something back.
#[must_use]
pub fn lines(answer: &Value) -> Vec<String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (destinations, links) = (list(answer, "destinations"), list(answer, "links"));
    let words = |value: &Value, name: &str| list(value, name).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let link = |l: &Value| {
        let over = if text(l, "over") == "link" { "is linked to somebody with" } else { "is of somebody who also has" };
        format!(
            "held by a link: {} {over} {}, who refused {}",
            text(l, "identifier"),
            words(l, "linked_to"),
            words(l, "purposes")
        )
    };
    destinations
        .iter()
        .map(|d| {
            let (mark, reason) = match d.get("reason").and_then(Value::as_str) {
                None => ("goes to     ", "allowed"),
                Some(reason) => ("stays out of", reason),
            };
            format!("{mark} {:<8} [{reason}] {}", text(d, "destination"), text(d, "sentence"))
        })
        .chain(links.iter().map(link))
        .collect()
}
