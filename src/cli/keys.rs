//! `pforte keys`: changes the keys that the gateway holds. For keys that others call it with see `pforte key`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::clock::Chance;
use crate::config::{Keyring, MasterKey};
use crate::store::{Options, Store};
use crate::vault::{self, Master};

/// Changes the keys that the gateway holds. The gateway must not be running.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Puts a new key in the place of one
    Rotate {
        #[command(subcommand)]
        which: Which,
    },
}

#[derive(clap::Subcommand)]
enum Which {
    /// The master key, which seals the root of the key tree; what a crash cut off is completed by doing it again
    Master {
        /// Where the present one comes from
        #[command(flatten)]
        present: MasterKey,
        /// The new one lies in this file, 64 hexadecimal digits; by default it is made in the key folder
        #[arg(long, group = "new")]
        new_file: Option<PathBuf>,
        /// This command prints the new one
        #[arg(long, group = "new")]
        new_command: Option<String>,
        #[command(flatten)]
        folders: Keyring,
    },
    /// The key that signs certificates; earlier public keys stay in /.well-known/jwks.json
    Signing {
        #[command(flatten)]
        folders: Keyring,
    },
}

/// Runs the command.
///
/// # Errors
/// When a folder is in use or a key does not fit.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Rotate { which } = &args.command;
    match which {
        Which::Master { present, new_file, new_command, folders } => {
            let new = match (new_file, new_command) {
                (Some(path), _) => Master::File(path.clone()),
                (None, Some(command)) => Master::Command(command.clone()),
                (None, None) => Master::Folder,
            };
            let store = open(folders)?;
            vault::rotate(&folders.keys, &store, &Chance::system(), (&present.source(), &new))?;
            store.close()?;
            println!("The root of the key tree is sealed under the new master key. Destroy the old one and its copies.");
        }
        Which::Signing { folders } => {
            // Only to be sure that no gateway runs: it would go on with the old key.
            open(folders)?.close()?;
            let kid = vault::rotate_signing(&folders.keys, &Chance::system())?;
            println!("Certificates are signed by {kid} from the next start on.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(folders: &Keyring) -> anyhow::Result<Store> {
    anyhow::ensure!(folders.data.is_dir(), "there is no data folder at {}", folders.data.display());
    Ok(Store::open(&folders.data, &Options::default())?)
}
