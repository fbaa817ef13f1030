//! `pforte certificate`: checks certificates of erasure, offline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::rights::{CERTIFICATE, Certificate};
use crate::vault;

/// Checks certificates of erasure. Needs no gateway: the certificate and the public keys are enough.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Says whether a certificate holds, and what it says
    Verify {
        /// The certificate
        file: PathBuf,
        /// The public keys, as the gateway serves them at /.well-known/jwks.json
        #[arg(long, default_value = "jwks.json")]
        jwks: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or the certificate does not hold.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Verify { file, jwks } = &args.command;
    let statement = read(file)?;
    let keys = serde_json::from_str(&read(jwks)?).with_context(|| format!("{} is no JSON Web Key Set", jwks.display()))?;
    let certificate: Certificate = vault::verify(statement.trim(), CERTIFICATE, &keys)?;
    say(&certificate);
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(certificate: &Certificate) {
    println!("The certificate holds.");
    println!();
    println!("company   {}", certificate.iss);
    println!("request   {}, received {}", certificate.jti, certificate.received_at);
    println!("erased    {}; {} data keys shredded", certificate.erased_at, certificate.keys_shredded);
    if certificate.shared_left > 0 {
        println!("left      {} devices or addresses that others use as well", certificate.shared_left);
    }
    for kept in &certificate.kept {
        println!("kept      {} records for {} until {}: {}", kept.records, kept.duty, kept.until, kept.law);
    }
    if certificate.recipients.is_empty() {
        println!("recipients: none had received anything");
    }
    for part in &certificate.recipients {
        let state = serde_json::to_string(&part.state).unwrap_or_default();
        println!(
            "recipient {}: {} events from {} to {}; {}{} at {}",
            part.name,
            part.events,
            part.first_at,
            part.last_at,
            state.trim_matches('"'),
            part.answer.as_ref().map(|answer| format!(" ({answer})")).unwrap_or_default(),
            part.at
        );
    }
}
