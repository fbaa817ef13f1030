//! `pforte restore`: makes a data folder from a backup, and a key folder if that is lost as well.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::backup::{self, Order};
use crate::cli::backup::{With, say};
use crate::clock::rfc3339;

/// Makes a data folder from a backup. Whoever was erased since is erased again at the next start, before it answers anything, if they
/// stand on the list of the shredded.
#[derive(clap::Args)]
pub struct Args {
    /// The backup of the data
    #[arg(long)]
    from: PathBuf,
    /// The backup of the keys of the same moment, if the key folder is lost or is from after an erasure; into an empty key folder
    #[arg(long, requires = "list")]
    keys_from: Option<PathBuf>,
    /// Who was shredded since: a folder or file from keys/shredded, or the latest backup of keys
    #[arg(long, group = "list")]
    shredded: Option<PathBuf>,
    /// There is no list of the shredded any more: whoever was erased after the backup of the keys comes back
    #[arg(long, group = "list")]
    shredded_lost: bool,
    #[command(flatten)]
    with: With,
}

/// Runs the command.
///
/// # Errors
/// Why it is refused, or where it stopped.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let with = &args.with;
    let bundle = args.keys_from.as_deref().map(|path| with.open_keys(path)).transpose()?;
    let key = with.opens_data(bundle.as_ref())?;
    let master = with.master.source();
    let restored = backup::restore(&Order {
        from: &args.from,
        key: &key,
        data: &with.folders.data,
        keys: &with.folders.keys,
        bundle: bundle.as_ref(),
        master: &master,
        shredded: args.shredded.as_deref(),
        bundle_key: with.seals_keys().ok().as_ref(),
    })?;
    let at = rfc3339(restored.summary.at);
    say(&format!("{} holds what was stored at {at} and until that backup ended.", with.folders.data.display()));
    say(&format!(
        "{} entries of the list of the shredded are newer: they are shredded again at the next start.",
        restored.to_be_shredded
    ));
    if args.shredded_lost {
        say("WITHOUT A LATER LIST: whoever was erased after the backup of the keys is there again. Erase them again.");
    }
    say("What was decided since is not in it, withdrawals and objections included; events since then may be sent again.");
    if restored.summary.files > 0 {
        say("Secret keys are as they were then: revoke again what was revoked since (pforte key list).");
    }
    Ok(ExitCode::SUCCESS)
}
