//! `pforte key`: makes, lists and revokes secret keys. It works on files, so the gateway may run or not.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::auth::{Scope, keys};
use crate::clock::{Chance, Clock, rfc3339};
use crate::config::Folders;
use crate::policy;

/// Makes, lists and revokes secret keys.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a key and prints it, this once
    Create(Create),
    /// Lists all keys, without their secrets
    List {
        #[command(flatten)]
        folders: Folders,
    },
    /// Revokes a key: it is refused from its next use on
    Revoke {
        /// The key's ID, as `list` shows it
        id: String,
        #[command(flatten)]
        folders: Folders,
    },
}

#[derive(clap::Args)]
struct Create {
    /// The source that it speaks for, such as till
    #[arg(long, required_unless_present = "scope")]
    source: Option<String>,
    /// What it may do, separated by commas: consents:read, consents:write, profiles:read, events:write, explain, operate;
    /// by default what a source of this kind usually needs
    #[arg(long, value_delimiter = ',')]
    scope: Vec<Scope>,
    /// What people call it
    #[arg(long, default_value = "")]
    label: String,
    #[command(flatten)]
    folders: Folders,
}

/// Runs the command.
///
/// # Errors
/// When the policy does not load, has no such source, or the data folder cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Create(order) => create(order),
        Command::List { folders } => list(folders),
        Command::Revoke { id, folders } => revoke(folders, id),
    }
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn create(order: &Create) -> anyhow::Result<ExitCode> {
    let scopes = scopes(order)?;
    anyhow::ensure!(
        order.label.chars().count() <= keys::LABEL_CHARS_MAX,
        "a label has at most {} characters",
        keys::LABEL_CHARS_MAX
    );
    anyhow::ensure!(!order.label.chars().any(char::is_control), "a label is one line of text");
    let at = Clock::system().now();
    let wish = keys::Order { source: order.source.clone(), scopes, label: order.label.clone(), at };
    let (record, secret) = keys::create(&order.folders.data, &Chance::system(), wish)?;
    println!("{secret}");
    println!();
    println!("key     {}", record.id);
    println!("source  {}", record.source.as_deref().unwrap_or("none (operator)"));
    println!("scopes  {}", joined(&record.scopes));
    println!("It is shown this once; only a hash of it is kept. Send it as `Authorization: Bearer sk_…`.");
    Ok(ExitCode::SUCCESS)
}

fn scopes(order: &Create) -> anyhow::Result<Vec<Scope>> {
    let policy = policy::load(&order.folders.policies).map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the policy in {} does not load:\n{}", order.folders.policies.display(), lines.join("\n"))
    })?;
    let Some(id) = &order.source else {
        let for_all = [Scope::Operate, Scope::Rights, Scope::RequestsWrite];
        let only_those = order.scope.iter().all(|scope| for_all.contains(scope));
        anyhow::ensure!(
            only_those,
            "every scope but `{}` speaks for a source: name it with --source",
            for_all.map(Scope::as_str).join("`, `")
        );
        return Ok(if order.scope.is_empty() { vec![Scope::Operate] } else { order.scope.clone() });
    };
    let (_, source) = policy.source(id).with_context(|| {
        let all: Vec<&str> = policy.sources.iter().map(|s| s.id.as_str()).collect();
        format!("the policy has no source `{id}`; it has {}", all.join(", "))
    })?;
    let mut scopes = if order.scope.is_empty() { Scope::usual(source.kind).to_vec() } else { order.scope.clone() };
    scopes.sort_by_key(|scope| scope.as_str());
    scopes.dedup();
    Ok(scopes)
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn list(folders: &Folders) -> anyhow::Result<ExitCode> {
    let records = keys::list(&folders.data)?;
    if records.is_empty() {
        println!("There are no secret keys in {}. `pforte key create --source till` makes one.", folders.data.display());
    }
    let mut whole = true;
    for record in records {
        match record {
            Ok(record) => {
                let state = record.revoked_at.map_or_else(|| String::from("works"), |at| format!("revoked {}", rfc3339(at)));
                let source = record.source.as_deref().unwrap_or("-");
                println!(
                    "{}  {source:<12} {}  {state}  {}  {}",
                    record.id,
                    rfc3339(record.created_at),
                    joined(&record.scopes),
                    record.label
                );
            }
            Err(error) => {
                whole = false;
                println!("{error}");
            }
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn revoke(folders: &Folders, id: &str) -> anyhow::Result<ExitCode> {
    let record = keys::revoke(&folders.data, id, Clock::system().now())?;
    println!("key {} is revoked; a running gateway refuses it from its next use on", record.id);
    Ok(ExitCode::SUCCESS)
}

fn joined(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}
