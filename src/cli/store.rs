//! `pforte store verify`: reads every record and checks it.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::store::{Options, Store};

/// Looks after the store. The gateway must not be running: its folder is locked while it does.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Reads every record and checks its checksum
    Verify {
        /// The data folder
        #[arg(long, default_value = "data")]
        data: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be opened.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Verify { data } = &args.command;
    anyhow::ensure!(data.is_dir(), "there is no data folder at {}", data.display());
    let store = Store::open(data, Options::default())?;
    let report = store.verify()?;
    println!("{report}");
    store.close()?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
