//! `pforte keys`: changes the keys that the gateway holds. For keys that others call it with see `pforte key`.

use std::path::PathBuf;
use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::client::Gateway;
use crate::clock::Chance;
use crate::config::{Keyring, MasterKey, Remote};
use crate::store::{Options, Store};
use crate::vault::{self, Master};

/// Shows and changes the keys that the gateway holds: master and signing key while it is stopped, the others while it runs.
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
    /// Destroys a key that has been replaced
    Retire {
        #[command(subcommand)]
        which: Retired,
    },
    /// Shows how the keys stand that are changed while the gateway runs
    Show {
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(clap::Subcommand)]
enum Retired {
    /// The key before of a pseudonymisation domain: its customer IDs lead nowhere from then on
    Domain {
        /// The name of the domain
        name: String,
        /// Also if recipients know people under its IDs alone: erasures cannot be told to them any more
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(clap::Subcommand)]
enum Which {
    /// The key by which identifiers are found; they are moved to the new one, and the old one is destroyed
    Index {
        #[command(flatten)]
        remote: Remote,
    },
    /// The key of a pseudonymisation domain; the one before stays until it is retired
    Domain {
        /// The name of the domain
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
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
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Rotate { which } => rotate(which)?,
        Command::Retire { which: Retired::Domain { name, force, remote } } => {
            let path = format!("/v1/keys/domains/{}/retire", escaped(name));
            let key = Gateway::find(remote)?.ask("POST", &path, Some(&json!({"force": force})))?;
            say(&domain(&key));
        }
        Command::Show { remote } => {
            let keys = Gateway::find(remote)?.ask("GET", "/v1/keys", None)?;
            say(&index(keys.get("index").unwrap_or(&Value::Null)));
            let domains = keys.get("domains").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            domains.iter().for_each(|key| say(&domain(key)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rotate(which: &Which) -> anyhow::Result<()> {
    match which {
        Which::Index { remote } => rotate_index(&Gateway::find(remote)?)?,
        Which::Domain { name, remote } => {
            let path = format!("/v1/keys/domains/{}/rotate", escaped(name));
            let key = Gateway::find(remote)?.ask("POST", &path, None)?;
            say(&domain(&key));
        }
        Which::Master { present, new_file, new_command, folders } => {
            let new = match (new_file, new_command) {
                (Some(path), _) => Master::File(path.clone()),
                (None, Some(command)) => Master::Command(command.clone()),
                (None, None) => Master::Folder,
            };
            let store = open(folders)?;
            vault::rotate(&folders.keys, &store, &Chance::system(), (&present.source(), &new))?;
            store.close()?;
            say("The root of the key tree is sealed under the new master key. Destroy the old one and its copies.");
        }
        Which::Signing { folders } => {
            // Only to be sure that no gateway runs: it would go on with the old key.
            open(folders)?.close()?;
            let kid = vault::rotate_signing(&folders.keys, &Chance::system())?;
            say(&format!("Certificates are signed by {kid} from the next start on."));
        }
    }
    Ok(())
}

/// Begins it, and shows how far it is until it is over.
fn rotate_index(gateway: &Gateway) -> anyhow::Result<()> {
    let mut key = gateway.ask("POST", "/v1/keys/index/rotate", None)?;
    while key.get("moving").and_then(Value::as_bool).unwrap_or(false) {
        say(&index(&key));
        gateway.pause(500);
        key = gateway.ask("GET", "/v1/keys", None)?.get("index").cloned().unwrap_or(Value::Null);
    }
    say(&index(&key));
    Ok(())
}

fn index(key: &Value) -> String {
    let number = |name: &str| key.get(name).and_then(Value::as_u64).unwrap_or_default();
    let since = key.get("since").and_then(Value::as_str).unwrap_or_default();
    let head = format!("index   epoch {} since {since}: {} of {}", number("epoch"), number("moved"), number("total"));
    if key.get("moving").and_then(Value::as_bool).unwrap_or(false) {
        format!("{head} identifiers are moved; the key before is still there")
    } else {
        format!("{head} identifiers; the keys before are destroyed")
    }
}

fn domain(key: &Value) -> String {
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
    let turn = key.get("turn").and_then(Value::as_u64).unwrap_or_default();
    let overlaps = key.get("overlaps").and_then(Value::as_bool).unwrap_or(false);
    let rest = if overlaps { "; the one before still leads back and signs" } else { "" };
    format!("domain  {}: key {turn} since {}{rest}", text("name"), text("since"))
}

fn escaped(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}

fn open(folders: &Keyring) -> anyhow::Result<Store> {
    anyhow::ensure!(folders.data.is_dir(), "there is no data folder at {}", folders.data.display());
    Ok(Store::open(&folders.data, &Options::default())?)
}
