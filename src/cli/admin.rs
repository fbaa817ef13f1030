//! `pforte admin`: invites people to the console. It works on files, so the gateway may run or not.

use std::process::ExitCode;

use crate::auth::Operator;
use crate::clock::{Chance, Clock, rfc3339};
use crate::config::Doorstep;
use crate::officers::{Role, invitation};

/// Invites people to the console.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints a link by which somebody sets up an account, once
    Create(Create),
    /// Prints a link by which somebody who lost password or phone sets up both anew, once
    Renew(Renew),
}

#[derive(clap::Args)]
struct Create {
    /// The account's name: a short one of the company's own (a-z, 0-9, `.`, `_`, `-`); it stands in the audit
    #[arg(long)]
    name: String,
    /// What they shall be: admin, dpo, support, auditor
    #[arg(long, default_value = "admin")]
    role: Role,
    #[command(flatten)]
    doorstep: Doorstep,
}

#[derive(clap::Args)]
struct Renew {
    /// The account's name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    doorstep: Doorstep,
}

/// Runs the command.
///
/// # Errors
/// When the name is none, or the data folder cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Create(Create { name, role, doorstep }) => invite(doorstep, name, *role, false),
        // What somebody is stays as it is.
        Command::Renew(Renew { name, doorstep }) => invite(doorstep, name, Role::Auditor, true),
    }
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn invite(doorstep: &Doorstep, name: &str, role: Role, renews: bool) -> anyhow::Result<ExitCode> {
    let order = invitation::Order { name: name.to_owned(), role, renews, by: String::from("operator") };
    let (invitation, token) = invitation::create(&doorstep.data, &Chance::system(), order, Clock::system().now())?;
    let here = || Operator::read(&doorstep.data).map_or_else(|| String::from("http://127.0.0.1:8080"), |note| note.url);
    let base = doorstep.public_url.as_ref().map_or_else(here, |url| url.as_str().to_owned());
    println!("{base}/console/join/{token}");
    println!();
    println!("name   {}", invitation.name);
    if !renews {
        println!("role   {}", invitation.role.name());
    }
    println!("until  {}", rfc3339(invitation.expires_at));
    println!(
        "It is shown this once and works once. Whoever opens it sets a password and a second factor: hand it to nobody else."
    );
    Ok(ExitCode::SUCCESS)
}
