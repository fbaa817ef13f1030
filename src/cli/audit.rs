//! `pforte audit`: who did what with people's requests, and who looked at what of them.

use std::process::ExitCode;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::client::Gateway;
use crate::config::Remote;

/// Shows who did what with people's requests and who looked at what of them, newest first.
#[derive(clap::Args)]
pub struct Args {
    /// Only what is about this request
    #[arg(long)]
    request: Option<String>,
    /// Only what this key did
    #[arg(long)]
    who: Option<String>,
    /// How many at most; all if it is left out
    #[arg(long)]
    limit: Option<usize>,
    /// A table
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    remote: Remote,
}

/// How many entries are asked for at a time.
const PAGE: usize = 500;

/// Runs the command.
///
/// # Errors
/// When no gateway answers, or it refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::find(&args.remote)?;
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let only = |name: &str, value: &Option<String>| value.as_deref().map(|value| format!("&{name}={}", escape(value)));
    let filter = [only("request", &args.request), only("who", &args.who)].into_iter().flatten().collect::<String>();
    let (mut left, mut next) = (args.limit.unwrap_or(usize::MAX), String::new());
    while left > 0 {
        let path = format!("/v1/audit?limit={}{filter}{next}", left.min(PAGE));
        let (count, last) = if args.csv { table(&gateway, &path, next.is_empty())? } else { lines(&gateway, &path)? };
        left = left.saturating_sub(count);
        match last {
            Some(number) if count > 0 => next = format!("&before={number}"),
            _ => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a page as a table. Gives how many entries it had, and the number of the last.
fn table(gateway: &Gateway, path: &str, first: bool) -> anyhow::Result<(usize, Option<u64>)> {
    let page = gateway.ask_text("GET", &format!("{path}&format=csv"))?;
    let mut reader = csv::Reader::from_reader(page.as_bytes());
    let mut writer = csv::Writer::from_writer(std::io::stdout());
    if first {
        writer.write_record(reader.headers()?)?;
    }
    let (mut count, mut last) = (0, None);
    for row in reader.records() {
        let row = row?;
        writer.write_record(&row)?;
        count += 1;
        last = row.get(0).and_then(|number| number.parse().ok());
    }
    writer.flush()?;
    Ok((count, last))
}

/// The same as lines.
fn lines(gateway: &Gateway, path: &str) -> anyhow::Result<(usize, Option<u64>)> {
    let answer = gateway.ask("GET", path, None)?;
    let entries = answer.get("entries").and_then(Value::as_array).context("the answer is of no known form")?;
    entries.iter().for_each(say);
    Ok((entries.len(), entries.last().and_then(|entry| entry.get("number")).and_then(Value::as_u64)))
}

fn text(entry: &Value, column: &str) -> String {
    match entry.get(column) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(entry: &Value) {
    let part = |column: &str| text(entry, column);
    println!(
        "{:>6}  {}  {:<16} {:<18} {}  {}",
        part("number"),
        part("at"),
        part("who"),
        part("what"),
        part("request"),
        part("why")
    );
}
