//! `pforte receipt`: checks receipts of decisions, offline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::config::read_witnesses;
use crate::consent::{RECEIPT, Receipt};
use crate::ledger::{Head, Trust};
use crate::vault;

/// Checks receipts of decisions. Needs no gateway: the receipt and the public keys are enough.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Says whether a receipt holds, and what it says
    Verify {
        /// The receipt, as the gateway served it
        file: PathBuf,
        /// The public keys, as the gateway serves them at /.well-known/jwks.json
        #[arg(long, default_value = "jwks.json")]
        jwks: PathBuf,
        /// The log's key, from somebody whom you trust: a file or the key itself. By default the one in the receipt
        #[arg(long)]
        log_key: Option<String>,
        /// A file with witnesses (C2SP tlog-policy): enough of them must have cosigned the head that the entry stands under
        #[arg(long)]
        witnesses: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or the receipt does not hold.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Verify { file, jwks, log_key, witnesses } = &args.command;
    let keys = serde_json::from_str(&read(jwks)?).with_context(|| format!("{} is no JSON Web Key Set", jwks.display()))?;
    let receipt: Receipt = vault::verify(read(file)?.trim(), RECEIPT, &keys)?;
    let key = log_key.as_ref().map(|key| super::ledger::read_key(key)).transpose()?;
    let head = receipt.check(key.as_deref())?;
    let trust = witnesses.as_deref().map(read_witnesses).transpose()?;
    let witnesses = trust.as_ref().map(|trust| cosigners(trust, &receipt, &head)).transpose()?;
    say(&receipt, &head, key.is_some());
    if let Some(names) = witnesses {
        println!("witnesses {names}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Who has cosigned the head of a receipt.
fn cosigners(trust: &Trust, receipt: &Receipt, head: &Head) -> anyhow::Result<String> {
    anyhow::ensure!(trust.knows_log(&receipt.ledger.key), "the file with witnesses is about other logs than the receipt's");
    Ok(trust.check(&head.note)?.join(", "))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(receipt: &Receipt, head: &Head, named: bool) {
    let statement = &receipt.statement;
    println!("The receipt holds: it is signed, and exactly this stands in the ledger.");
    println!();
    println!("company   {}", receipt.iss);
    println!("decided   {}, by {} at {}", statement.at, word(&statement.method), statement.source);
    for (purpose, state) in &statement.decisions {
        let until = statement.expires.get(purpose).map(|at| format!(", until {at}")).unwrap_or_default();
        println!("          {purpose}: {}{until}", word(state));
    }
    if let Some(notice) = &statement.notice {
        println!("notice    {} version {} ({}), SHA-256 {}", notice.id, notice.version, notice.language, notice.hash);
    }
    // In the form of JSON: what somebody else wrote cannot pass for a line of ours.
    if let Some(evidence) = &statement.evidence {
        println!("evidence  {}", serde_json::to_string(evidence).unwrap_or_default());
        println!("          This is what another tool says. It is recorded that it said so, and not whether it is true.");
    }
    if let Some(opt_in) = &statement.double_opt_in {
        println!("opt-in    {}", serde_json::to_string(opt_in).unwrap_or_default());
    }
    println!("person    {}", statement.person);
    println!("entry     {} at {} of {}", receipt.jti, receipt.ledger.index, head.size);
    if !named {
        println!("log       {}", receipt.ledger.key);
        println!("          The log's key was taken from the receipt: compare it with one from somebody whom you trust.");
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}
