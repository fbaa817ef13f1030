//! `pforte consents`: takes over what other tools have recorded.

mod mapping;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::client::Gateway;
use crate::config::Remote;
use mapping::{Mapping, Ready, Wrong};

/// How many records are sent at a time.
const BATCH_RECORDS_MAX: usize = 200;
/// How large such a batch becomes, in bytes.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// Takes over what other tools have recorded.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Brings an export of another tool in, through the running gateway; wrong lines are listed, the others go in. A run that broke off
    /// is begun again: what is in is recognised
    Import {
        /// The export: CSV, JSON or one JSON object a line
        file: PathBuf,
        /// What its columns mean; see docs/import.md
        #[arg(long)]
        mapping: PathBuf,
        /// The source of the policy that takes it over; it is of kind import
        #[arg(long, default_value = "import")]
        source: String,
        /// Says what would become of it, and writes nothing
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Runs the command.
///
/// # Errors
/// When the file or its mapping cannot be read, or no gateway answers.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Import { file, mapping, source, check, remote } = &args.command;
    let text = std::fs::read_to_string(mapping).with_context(|| format!("{} cannot be read", mapping.display()))?;
    let mapping = Mapping::parse(&text).with_context(|| format!("{} is no mapping", mapping.display()))?;
    let mut run =
        Run { gateway: Gateway::find(remote)?, source, check: *check, waiting: Vec::new(), bytes: 0, sum: Sum::default() };
    let read = rows::each(file, &mapping, |line, row| run.take(line, row.map(|row| mapping.read(row))));
    let sent = read.and_then(|()| run.send());
    run.sum.say(*check);
    sent.context("it stopped there; run the same command again, what is in is recognised")?;
    Ok(if run.sum.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of it so far.
#[derive(Default)]
struct Sum {
    rows: u64,
    recorded: u64,
    unchanged: u64,
    suppressed: u64,
    wrong: u64,
}

struct Run<'a> {
    gateway: Gateway,
    source: &'a str,
    check: bool,
    /// Records that are not sent yet, with their lines.
    waiting: Vec<(u64, Ready)>,
    bytes: usize,
    sum: Sum,
}

impl Run<'_> {
    fn take(&mut self, line: u64, read: Result<Vec<Result<Ready, Wrong>>, &str>) -> anyhow::Result<()> {
        self.sum.rows += 1;
        let records = match read {
            Ok(records) => records,
            Err(reason) => {
                self.sum.complain(line, "", reason);
                return Ok(());
            }
        };
        for record in records {
            match record {
                Ok(ready) => {
                    self.bytes += ready.record.to_string().len();
                    self.waiting.push((line, ready));
                }
                Err(Wrong { column, reason }) => self.sum.complain(line, &column, &reason),
            }
        }
        if self.waiting.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> anyhow::Result<()> {
        self.bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        for some in waiting.chunks(BATCH_RECORDS_MAX) {
            let records: Vec<&Value> = some.iter().map(|(_, ready)| &ready.record).collect();
            let body = json!({"source": self.source, "check": self.check, "records": records});
            let answer = self.gateway.ask("POST", "/v1/consents/import", Some(&body))?;
            let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
            self.sum.recorded += count("recorded");
            self.sum.unchanged += count("unchanged");
            self.sum.suppressed += count("suppressed");
            for rejected in answer.get("rejected").and_then(Value::as_array).into_iter().flatten() {
                let said = |name: &str| rejected.get(name).and_then(Value::as_str).unwrap_or_default();
                let at = rejected.get("index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
                let Some((line, ready)) = at.and_then(|at| some.get(at)) else { continue };
                self.sum.complain(*line, ready.column(said("field")), said("message"));
            }
        }
        self.sum.progress();
        Ok(())
    }
}

impl Sum {
    #[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
    fn complain(&mut self, line: u64, column: &str, reason: &str) {
        self.wrong += 1;
        let column = if column.is_empty() { String::new() } else { format!(", column {column}") };
        println!("line {line}{column}: {reason}");
    }

    #[expect(clippy::print_stderr, reason = "a command line speaks to its terminal")]
    fn progress(&self) {
        eprintln!("{} lines, {} recorded", self.rows, self.recorded);
    }

    #[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
    fn say(&self, check: bool) {
        let Self { rows, recorded, unchanged, suppressed, wrong } = self;
        let recorded = if check { format!("{recorded} would be recorded") } else { format!("{recorded} recorded") };
        println!(
            "{rows} lines: {recorded}, {unchanged} say nothing new, {suppressed} of people who asked not to be brought back, {wrong} wrong"
        );
    }
}
