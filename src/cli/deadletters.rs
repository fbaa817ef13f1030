//! `pforte deadletters`: lists and replays events that a destination would not take, through the running gateway.

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::cli::client::Gateway;
use crate::config::Remote;

/// Lists and replays events that a destination would not take. They hold nothing personal here: only where, why and when.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists them
    List {
        /// Only those of this destination
        #[arg(long)]
        destination: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Sends them again, through the gate like everything else; all of them, unless narrowed
    Replay {
        /// Only those of this destination
        #[arg(long)]
        destination: Option<String>,
        /// Only the one with this ID
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Runs the command.
///
/// # Errors
/// When no gateway answers, or it refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List { destination, json, remote } => list(&Gateway::find(remote)?, destination.as_deref(), *json),
        Command::Replay { destination, id, remote } => replay(&Gateway::find(remote)?, destination.as_deref(), id.as_deref()),
    }
}

fn list(gateway: &Gateway, destination: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let mut after: Option<String> = None;
    let mut count = 0_usize;
    loop {
        let given = [("destination", destination), ("after", after.as_deref())];
        let query: String = given
            .into_iter()
            .filter_map(|(name, value)| Some(format!("&{name}={}", utf8_percent_encode(value?, NON_ALPHANUMERIC))))
            .collect();
        let page = gateway.ask("GET", &format!("/v1/dead-letters?limit=500{query}"), None)?;
        let letters = page.get("deadLetters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for letter in letters {
            say(&if json { letter.to_string() } else { line(letter) });
        }
        count += letters.len();
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if count == 0 && !json {
        say("There are no dead letters.");
    }
    Ok(ExitCode::SUCCESS)
}

fn replay(gateway: &Gateway, destination: Option<&str>, id: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut body = Map::new();
    for (name, value) in [("destination", destination), ("id", id)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), Value::from(value));
        }
    }
    let answer = gateway.ask("POST", "/v1/dead-letters/replay", Some(&Value::Object(body)))?;
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (replayed, skipped) = (number("replayed"), number("skipped"));
    say(&format!("{replayed} put back; each passes the gate again before it is sent."));
    if skipped > 0 {
        say(&format!("{skipped} stay, because their destination is off or gone."));
    }
    anyhow::ensure!(id.is_none() || replayed + skipped > 0, "there is no dead letter with this ID");
    Ok(ExitCode::SUCCESS)
}

fn line(letter: &Value) -> String {
    let text = |name: &str| letter.get(name).and_then(Value::as_str).unwrap_or_default();
    let attempts = letter.get("attempts").and_then(Value::as_u64).unwrap_or_default();
    format!(
        "{}  {:<12} {:<14} {attempts:>3} tries  {} to {}",
        text("id"),
        text("destination"),
        text("reason"),
        text("firstAt"),
        text("lastAt")
    )
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}
