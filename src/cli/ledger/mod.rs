//! `pforte ledger`: shows the transparency log, copies it, and checks copies offline.

mod copy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::client::Gateway;
use crate::config::{Remote, read_witnesses};
use crate::ledger::verify::{self, Copy};
use crate::ledger::{Head, Tile, Trust};

/// Shows, copies and checks the transparency log. Checking needs no gateway: a copy and the log's key are enough.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Shows the newest signed head of the running gateway
    Show {
        #[command(flatten)]
        remote: Remote,
    },
    /// Copies the log into a folder, as it is served: a web server can hand it out unchanged
    Export {
        /// Where to
        #[arg(long)]
        to: PathBuf,
        /// The log's address, such as `https://example.org/ledger`; by default that of the running gateway
        #[arg(long)]
        from: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Reads every entry and every tile of copies of the log, and says whether they are what was signed
    Verify {
        /// Folders or addresses (`https://example.org/ledger`)
        #[arg(required = true)]
        copies: Vec<String>,
        /// The log's key, from somebody whom you trust; a file or the key itself. By default the one in the copy
        #[arg(long)]
        log_key: Option<String>,
        /// Heads (`checkpoint`) that were signed before: the log must have grown out of them
        #[arg(long)]
        since: Vec<PathBuf>,
        /// A file with witnesses (C2SP tlog-policy): enough of them must have cosigned a head that the log has grown out of
        #[arg(long)]
        witnesses: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read, or a copy does not hold.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Show { remote } => {
            let served = copy::Served::new(&address(remote)?)?;
            let head = verify::head(&served, &key_of(&served)?)?;
            say(&head, &key_of(&served)?);
            if let Some(note) = served.read("witnessed")? {
                println!("\nThe newest head that enough witnesses have cosigned:\n\n{}", String::from_utf8_lossy(&note));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Export { to, from, remote } => {
            let from = from.as_ref().map_or_else(|| address(remote), |from| Ok(from.clone()))?;
            export(&copy::Served::new(&from)?, to)
        }
        Command::Verify { copies, log_key, since, witnesses } => {
            let key = log_key.as_ref().map(|key| read_key(key)).transpose()?;
            let since: Vec<(String, String)> = since.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
            let trust = witnesses.as_deref().map(read_witnesses).transpose()?;
            copies.iter().try_for_each(|copy| check(copy, key.as_deref(), &since, trust.as_ref()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn address(remote: &Remote) -> anyhow::Result<String> {
    Ok(format!("{}/ledger", Gateway::find(remote)?.url))
}

fn read(path: &Path) -> anyhow::Result<(String, String)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((path.display().to_string(), text))
}

/// The log's key: a file or the key itself.
pub(super) fn read_key(key: &str) -> anyhow::Result<String> {
    if key.matches('+').count() == 2 { Ok(key.to_owned()) } else { Ok(read(Path::new(key))?.1) }
}

fn key_of(copy: &dyn Copy) -> anyhow::Result<String> {
    let bytes = copy.read("key")?.context("the copy has no key; name the log's key with --log-key")?;
    Ok(String::from_utf8(bytes).context("the copy's key is no text")?.trim().to_owned())
}

/// Copies everything that the newest head is signed over. Full tiles that are there already never change and are not fetched again.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn export(served: &copy::Served, to: &Path) -> anyhow::Result<ExitCode> {
    let key = key_of(served)?;
    // First: the newest head has grown out of it.
    let witnessed = served.read("witnessed")?;
    let head = verify::head(served, &key)?;
    let put = |path: &str, bytes: &[u8]| -> anyhow::Result<()> {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(to))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut copied = 0;
    for tile in Tile::all(head.size) {
        if !(tile.is_full() && to.join(tile.path()).exists()) {
            put(&tile.path(), &verify::tile(served, &tile)?)?;
            copied += 1;
        }
    }
    if let Some(note) = witnessed {
        put("witnessed", &note)?;
    }
    put("key", format!("{key}\n").as_bytes())?;
    // Last: whoever reads the copy meanwhile finds everything that the head is about.
    put("checkpoint", head.note.as_bytes())?;
    println!("{copied} tiles and bundles copied; {} has the log up to entry {}", to.display(), head.size);
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn check(place: &str, key: Option<&str>, since: &[(String, String)], trust: Option<&Trust>) -> anyhow::Result<()> {
    let opened = copy::open(place)?;
    let named = key.is_some();
    let key = key.map_or_else(|| key_of(opened.as_ref()), |key| Ok(key.to_owned()))?;
    let mut since = since.to_vec();
    let witnesses = trust.map(|trust| witnessed(opened.as_ref(), &key, trust, &mut since)).transpose()?;
    let report = verify::verify(opened.as_ref(), &key, &since).with_context(|| format!("{place} does not hold"))?;
    println!("{place} holds: {} entries, {} tiles and bundles, root {}", report.head.size, report.files, report.head.root);
    if let Some(names) = witnesses {
        println!("It has grown out of a head that these witnesses have cosigned: {names}.");
    }
    if report.since > 0 {
        println!("It has grown out of {} earlier heads.", report.since);
    }
    if !named {
        println!("The key was taken from the copy itself: compare it with one from somebody whom you trust.\n{key}");
    }
    Ok(())
}

/// The witnesses of a copy's witnessed head, which becomes one that the log must have grown out of.
fn witnessed(copy: &dyn Copy, key: &str, trust: &Trust, since: &mut Vec<(String, String)>) -> anyhow::Result<String> {
    anyhow::ensure!(trust.knows_log(key), "the file with witnesses is about other logs than this one");
    let note = copy.read("witnessed")?.context("the copy has no head that witnesses have cosigned")?;
    let note = String::from_utf8(note).context("the witnessed head is no text")?;
    let names = trust.check(&note).context("the witnessed head of the copy")?.join(", ");
    since.push((String::from("witnessed"), note));
    Ok(names)
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(head: &Head, key: &str) {
    println!("{} entries, root {}", head.size, head.root);
    println!("key  {key}");
    println!();
    print!("{}", head.note);
}
