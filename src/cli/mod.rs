//! The command line: one file per command.

pub mod admin;
pub mod audit;
pub mod backup;
mod cases;
pub mod certificate;
pub mod client;
pub mod consents;
pub mod deadletters;
pub mod demo;
pub mod explain;
pub mod key;
pub mod keys;
pub mod ledger;
pub mod policy;
pub mod receipt;
pub mod requests;
pub mod restore;
pub mod retention;
pub mod serve;
pub mod store;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// A privacy-focused consent and first-party identity gateway.
#[derive(Parser)]
#[command(name = "pforte", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway (the same as `pforte` alone)
    Serve(Box<Config>),
    /// Plays the story of Erika Muster against a running gateway
    Demo(demo::Args),
    /// Says where an event would go and why, without sending it
    Explain(explain::Args),
    /// Checks, shows, tests and reloads the policy
    Policy(policy::Args),
    /// Makes, lists and revokes secret keys
    Key(key::Args),
    /// Takes over what other tools have recorded
    Consents(consents::Args),
    /// Invites people to the console
    Admin(admin::Args),
    /// Changes the keys that the gateway holds
    Keys(keys::Args),
    /// Lists and replays events that a destination would not take
    Deadletters(deadletters::Args),
    /// Lists requests of people and decides about them
    Requests(requests::Args),
    /// Shows who did what with people's requests, and who looked
    Audit(audit::Args),
    /// Says what is stored how long
    Retention(retention::Args),
    /// Checks certificates of erasure
    Certificate(certificate::Args),
    /// Shows, copies and checks the transparency log
    Ledger(ledger::Args),
    /// Checks receipts of decisions
    Receipt(receipt::Args),
    /// Copies everything that is stored, or the keys, into a sealed file
    Backup(Box<backup::Args>),
    /// Makes a data folder from a backup
    Restore(Box<restore::Args>),
    /// Looks after the store
    Store(store::Args),
}

/// Runs what the command line asks for.
///
/// # Errors
/// What went wrong, in words for the person at the terminal.
pub fn run() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(config)) => serve::run(*config),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Policy(args)) => policy::run(&args),
        Some(Command::Key(args)) => key::run(&args),
        Some(Command::Consents(args)) => consents::run(&args),
        Some(Command::Admin(args)) => admin::run(&args),
        Some(Command::Keys(args)) => keys::run(&args),
        Some(Command::Deadletters(args)) => deadletters::run(&args),
        Some(Command::Requests(args)) => requests::run(&args),
        Some(Command::Audit(args)) => audit::run(&args),
        Some(Command::Retention(args)) => retention::run(&args),
        Some(Command::Certificate(args)) => certificate::run(&args),
        Some(Command::Ledger(args)) => ledger::run(&args),
        Some(Command::Receipt(args)) => receipt::run(&args),
        Some(Command::Backup(args)) => backup::run(&args),
        Some(Command::Restore(args)) => restore::run(&args),
        Some(Command::Store(args)) => store::run(&args),
    }
}
