//! `pforte backup`: copies everything that is stored, or the keys, into a sealed file; checks such files.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::BESIDE;
use crate::backup::{self, Source, Summary};
use crate::cli::client::Gateway;
use crate::clock::{Chance, Clock, rfc3339};
use crate::config::{Elsewhere, Keyring, KeysPassphrase, MasterKey, Remote};
use crate::store::{self, Options, Store};
use crate::vault::archive::{Closed, FileKey, Kind, SealingKey};
use crate::vault::bundle::Bundle;

/// How often a backup is made again because somebody was erased between data and keys.
const TRIES: usize = 3;

/// Copies everything that is stored into a sealed file, while the gateway runs or with it stopped. The file holds no keys.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    data: Data,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Copies the key folder into a small sealed file: roots, index, domain and signing keys, the list of the shredded
    Keys(Keys),
    /// Reads a whole backup, of data or of keys, and checks it
    Check(Check),
}

#[derive(clap::Args)]
struct Data {
    /// The file to write; it must not be there yet
    #[arg(long, required = true)]
    to: Option<PathBuf>,
    /// Also copies the keys of the same moment, to this file
    #[arg(long)]
    keys_to: Option<PathBuf>,
    #[command(flatten)]
    with: With,
    #[command(flatten)]
    at: Elsewhere,
}

#[derive(clap::Args)]
struct Keys {
    /// The file to write; it must not be there yet
    #[arg(long)]
    to: PathBuf,
    #[command(flatten)]
    with: With,
}

#[derive(clap::Args)]
struct Check {
    /// The backup
    file: PathBuf,
    /// A backup of keys: do they belong together?
    #[arg(long)]
    keys_from: Option<PathBuf>,
    #[command(flatten)]
    with: With,
}

/// Folders and keys.
#[derive(clap::Args)]
pub(super) struct With {
    #[command(flatten)]
    pub(super) folders: Keyring,
    #[command(flatten)]
    pub(super) master: MasterKey,
    #[command(flatten)]
    pub(super) phrase: KeysPassphrase,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read or written, or does not belong together.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => data(&args.data)?,
        Some(Command::Keys(keys)) => {
            let count = write_keys(&keys.with, &keys.to)?;
            say(&format!("{count} key files are in {}. Keep it apart from backups of the data.", keys.to.display()));
        }
        Some(Command::Check(check)) => check_file(check)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl With {
    /// What seals backups of keys: the passphrase, or a master key that is held outside.
    pub(super) fn seals_keys(&self) -> anyhow::Result<SealingKey> {
        if let Some(phrase) = self.phrase.read()? {
            return Ok(SealingKey::Passphrase(phrase));
        }
        let master = self.master.source();
        anyhow::ensure!(
            !matches!(master, crate::vault::Master::Folder),
            "a backup of keys needs a passphrase (--passphrase-file, PFORTE_BACKUP_PASSPHRASE), \
             because the master key lies among them; or a master key that is held outside"
        );
        Ok(SealingKey::Master(FileKey::read(&self.folders.keys, &master)?))
    }

    /// Opens a backup of keys.
    pub(super) fn open_keys(&self, path: &Path) -> anyhow::Result<Bundle> {
        let closed = Closed::read(open(path)?).with_context(|| path.display().to_string())?;
        anyhow::ensure!(closed.header.kind == Kind::Keys, "{} is a backup of data, not of keys", path.display());
        Bundle::open(closed, &self.seals_keys()?).with_context(|| path.display().to_string())
    }

    /// What opens backups of data: from the backup of keys, if the master key is in there.
    pub(super) fn opens_data(&self, bundle: Option<&Bundle>) -> anyhow::Result<SealingKey> {
        let master = self.master.source();
        if let (Some(bundle), crate::vault::Master::Folder) = (bundle, &master)
            && let Some(key) = bundle.file_key()?
        {
            return Ok(SealingKey::Master(key));
        }
        Ok(SealingKey::Master(FileKey::read(&self.folders.keys, &master)?))
    }
}

fn data(args: &Data) -> anyhow::Result<()> {
    let to = args.to.as_deref().context("say with --to where the backup goes")?;
    let with = &args.with;
    if args.keys_to.is_some() {
        // Before anything is copied for an hour.
        with.seals_keys()?;
    }
    for tries in 1.. {
        let summary = one(args, to)?;
        let Some(keys_to) = &args.keys_to else {
            told(to, summary.as_ref());
            return Ok(());
        };
        let count = write_keys(with, keys_to)?;
        let needs = summary.as_ref().and_then(|summary| summary.needs);
        let bundle = with.open_keys(keys_to)?;
        match needs.map_or(Ok(()), |needs| needs.fit(&bundle)) {
            Ok(()) => {
                told(to, summary.as_ref());
                say(&format!("{count} key files of the same moment are in {}. Keep the two apart.", keys_to.display()));
                return Ok(());
            }
            Err(error) => {
                fs::remove_file(to)?;
                fs::remove_file(keys_to)?;
                anyhow::ensure!(tries < TRIES, "{error}");
                say("Somebody was erased between data and keys: once more.");
            }
        }
    }
    Ok(())
}

/// Writes one backup and checks it, if its key is at hand.
fn one(args: &Data, to: &Path) -> anyhow::Result<Option<Summary>> {
    let with = &args.with;
    match &args.at.url {
        Some(_) => fetch(args, to)?,
        None if !with.folders.data.join("FORMAT").exists() => {
            anyhow::bail!("there is no data folder at {}", with.folders.data.display())
        }
        None => match Store::open(&with.folders.data, &Options::default()) {
            Ok(store) => from_folder(with, store, to)?,
            Err(store::Error::Locked(_)) => fetch(args, to)?,
            Err(error) => return Err(error.into()),
        },
    }
    if args.at.url.is_some() {
        return Ok(None);
    }
    let summary = backup::check(open(to)?, &with.opens_data(None)?);
    Ok(Some(summary.with_context(|| format!("{} was written, but does not check", to.display()))?))
}

/// From a gateway that is running.
fn fetch(args: &Data, to: &Path) -> anyhow::Result<()> {
    let remote = Remote { url: args.at.url.clone(), data: args.with.folders.data.clone(), key: args.at.key.clone() };
    let gateway = Gateway::find(&remote)?;
    let mut draft = Draft::begin(to)?;
    gateway.fetch("POST", "/v1/backup", |bytes| draft.file.write_all(bytes))?;
    draft.publish()
}

/// From a data folder that no gateway uses.
fn from_folder(with: &With, store: Store, to: &Path) -> anyhow::Result<()> {
    let key = FileKey::for_store(&with.folders.keys, &with.master.source(), &store)?;
    let source = Source { store, data: with.folders.data.clone(), beside: BESIDE };
    let mut draft = Draft::begin(to)?;
    let mut out = io::BufWriter::with_capacity(1 << 18, &mut draft.file);
    backup::write(&source, key, (&Chance::system(), Clock::system().now()), &mut out)?;
    out.flush()?;
    drop(out);
    source.store.close()?;
    draft.publish()
}

fn write_keys(with: &With, to: &Path) -> anyhow::Result<usize> {
    let key = with.seals_keys()?;
    let http = crate::egress::Local::new()?;
    let bundle = Bundle::collect(&with.folders.keys, || http.pause(std::time::Duration::from_millis(5)))?;
    let mut draft = Draft::begin(to)?;
    bundle.seal(&key, Clock::system().now(), &Chance::system(), &mut draft.file)?;
    draft.publish()?;
    Ok(bundle.files())
}

fn check_file(args: &Check) -> anyhow::Result<()> {
    let (with, path) = (&args.with, &args.file);
    let closed = Closed::read(open(path)?).with_context(|| path.display().to_string())?;
    if closed.header.kind == Kind::Keys {
        let bundle = Bundle::open(closed, &with.seals_keys()?).with_context(|| path.display().to_string())?;
        let master = if bundle.has_master() { "with" } else { "without" };
        say(&format!("{}: {} key files, {master} the master key: sound.", path.display(), bundle.files()));
        return Ok(());
    }
    let bundle = args.keys_from.as_deref().map(|path| with.open_keys(path)).transpose()?;
    let summary = backup::check(open(path)?, &with.opens_data(bundle.as_ref())?).with_context(|| path.display().to_string())?;
    told(path, Some(&summary));
    if let Some(needs) = summary.needs {
        match &bundle {
            Some(bundle) => needs.fit(bundle)?,
            None => needs.fit_folder(&with.folders.keys)?,
        }
        say("The keys are of the same moment: they open it.");
    }
    Ok(())
}

fn told(path: &Path, summary: Option<&Summary>) {
    let Some(Summary { at, values, chunks, files, bytes, .. }) = summary else {
        return say(&format!("{} is written. It was not checked: its keys are elsewhere.", path.display()));
    };
    say(&format!(
        "{}, begun {}: {values} values, {chunks} chunks, {files} files, {bytes} bytes: sound.",
        path.display(),
        rfc3339(*at)
    ));
}

/// Opens a file for reading.
pub(super) fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 18, File::open(path).with_context(|| path.display().to_string())?))
}

/// A file under another name, until it is whole and on the disk. Readable by its owner alone.
struct Draft {
    file: File,
    draft: PathBuf,
    to: PathBuf,
}

impl Draft {
    fn begin(to: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(!to.exists(), "{} is there already; choose another name", to.display());
        let name = to.file_name().and_then(|name| name.to_str()).context("the backup needs a name")?;
        let draft = to.with_file_name(format!(".{name}.part"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&draft).with_context(|| draft.display().to_string())?;
        Ok(Self { file, draft, to: to.to_owned() })
    }

    fn publish(self) -> anyhow::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.to)?;
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        Ok(File::open(folder)?.sync_all()?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it was published it is not there any more.
        drop(fs::remove_file(&self.draft));
    }
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub(super) fn say(line: &str) {
    println!("{line}");
}
