//! sled 0.34 for the keys, with what it needs to survive a power cut.
//!
//! Its own `flush` calls `sync_file_range` on Linux, after which a power cut loses everything; large nodes and values go to
//! blob files that are never synced. So: one tree, one writer, `apply_batch`, `flush`, then `sync_data` on our own handle of
//! the log file; segments of 8 MiB from the first start; and a folder of blobs that must stay empty.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::engine::Pair;
use super::{Error, Options};

/// Cannot be changed for a store that exists; a quarter of it is where blob files would begin.
const SEGMENT_BYTES: usize = 8 << 20;
/// What the marker file says of a store of this make.
const FORMAT: &str = "pforte store 4 (sled 0.34, segments of 8 MiB; streams in log files; a journal)\n";
/// How many writes are applied while readers wait.
const SLICE: usize = 256;
/// How often the engine is tried again while a leftover of an earlier one holds its lock, and how long it waits each time: a second.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Sled {
    tree: sled::Tree,
    db: sled::Db,
    log: File,
    folder: PathBuf,
    free_bytes_min: u64,
    /// Held as long as the store is open.
    _lock: File,
}

impl Sled {
    pub(super) fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)?;
        restrict(dir)?;
        let lock = lock(dir)?;
        let folder = dir.join("store");
        check_format(dir, &folder)?;
        remove_unpublished_snapshots(&folder)?;
        let config = sled::Config::new()
            .path(&folder)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let db = open_engine(&config)?;
        let log = OpenOptions::new().read(true).write(true).open(folder.join("db"))?;
        log.sync_all()?;
        for folder in [folder.as_path(), dir] {
            File::open(folder)?.sync_all()?;
        }
        let tree = (*db).clone();
        let engine = Self { tree, db, log, folder, free_bytes_min: options.free_bytes_min, _lock: lock };
        engine.refuse_blobs()?;
        Ok(engine)
    }

    fn refuse_blobs(&self) -> Result<(), Error> {
        let mut blobs = match std::fs::read_dir(self.folder.join("blobs")) {
            Ok(blobs) => blobs,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match blobs.next() {
            None => Ok(()),
            Some(_) => Err(Error::Damaged { what: String::from("a value went to a blob file, which a power cut would lose") }),
        }
    }
}

impl Sled {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.tree.get(key).map_err(convert)?.map(|value| value.to_vec()))
    }

    pub(super) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = after.map_or_else(|| Included(prefix.to_vec()), |after| Excluded(after.to_vec()));
        let mut found = Vec::new();
        for pair in self.tree.range((from, Unbounded)).take(limit) {
            let (key, value) = pair.map_err(convert)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    /// Asked before anything is written: a write that fails half-way leaves sled unusable.
    pub(super) fn refuse_if_full(&self) -> Result<(), Error> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(std::io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.free_bytes_min { Err(Error::Full) } else { Ok(()) }
    }

    /// Applies the writes, in order; when it returns `Ok` they survive a power cut. Readers see them come one after the other, a
    /// slice at a time, so that none waits for long.
    pub(super) fn apply<'a>(&self, writes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Result<(), Error> {
        let mut writes = writes.peekable();
        while writes.peek().is_some() {
            let mut batch = sled::Batch::default();
            for (key, value) in writes.by_ref().take(SLICE) {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            self.tree.apply_batch(batch).map_err(lasting)?;
        }
        self.tree.flush().map_err(lasting)?;
        self.log.sync_data().map_err(|error| Error::Io(error.to_string()))?;
        self.refuse_blobs()
    }

    pub(super) fn size_on_disk(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// Opens sled. We hold the folder's lock, so whoever still holds sled's own is a leftover of somebody who is done: a
/// thread of the engine that is about to end.
#[expect(clippy::disallowed_methods, reason = "waits for the end of something that does not tell; at start alone, and bounded")]
fn open_engine(config: &sled::Config) -> Result<sled::Db, Error> {
    let mut tries = 0;
    loop {
        // A damaged log makes sled panic instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_panic| Error::Damaged { what: String::from("its log cannot be read") })?;
        match opened {
            // Sled makes an error of its own of the one that the system gives, and keeps its words alone.
            Err(sled::Error::Io(error)) if tries < OPEN_TRIES && error.to_string().contains("acquire lock") => tries += 1,
            opened => return opened.map_err(convert),
        }
        std::thread::sleep(OPEN_PAUSE);
    }
}

/// One process per folder. The lock goes with the process, however it ends.
fn lock(dir: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(dir.to_path_buf())),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Others on the machine have no business in the data folder.
fn restrict(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn check_format(dir: &Path, folder: &Path) -> Result<(), Error> {
    let marker = dir.join("FORMAT");
    let foreign = |why: &str| Error::ForeignFormat { dir: dir.to_path_buf(), why: why.to_owned() };
    match std::fs::read_to_string(&marker) {
        Ok(text) if text == FORMAT => Ok(()),
        Ok(_) => Err(foreign("its FORMAT file says something else")),
        Err(_) if folder.join("db").exists() => Err(foreign("its FORMAT file is missing")),
        Err(_) => {
            let fresh = dir.join("FORMAT.new");
            let mut file = File::create(&fresh)?;
            file.write_all(FORMAT.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, &marker)?;
            Ok(())
        }
    }
}

/// sled writes a snapshot as `snap.*.generating` and renames it when it is whole. One that was left over was never
/// published, but sled would take it for one and refuse to open.
fn remove_unpublished_snapshots(folder: &Path) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn convert(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => error.into(),
        sled::Error::Corruption { .. } => Error::Damaged { what: String::from("its log does not match its checksums") },
        sled::Error::Unsupported(what) | sled::Error::ReportableBug(what) => Error::Io(what),
        sled::Error::CollectionNotFound(_) => Error::Io(String::from("the tree is gone")),
    }
}

/// A write that failed inside sled: it must not be used again, even if only the disk was full.
fn lasting(error: sled::Error) -> Error {
    let error = convert(error);
    if matches!(error, Error::Full) { Error::Io(String::from("the disk is full")) } else { error }
}
