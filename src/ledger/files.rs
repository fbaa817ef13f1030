//! Where the tree lies: one file per level of tiles with its hashes, one behind the other, and one with the entries. They are only
//! ever appended to, so a tile, full or not, is a piece of a file, and a step of growth costs a write and a sync per file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use tlog_tiles::{Error as TreeError, HASH_SIZE, Hash, HashReader, Tile as TreeTile};

use super::edge::Grown;
use super::tile::{ENTRY_BYTES, HEIGHT, Tile, WIDTH};

const HASH_BYTES: u64 = HASH_SIZE as u64;

/// The files of a tree.
pub(super) struct Files {
    folder: PathBuf,
    entries: File,
    levels: RwLock<Vec<File>>,
}

impl Files {
    /// Opens the files, making them where they are missing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let entries = open(&folder.join("entries"))?;
        let mut levels = Vec::new();
        while folder.join(name(levels.len())).exists() {
            levels.push(open(&folder.join(name(levels.len())))?);
        }
        sync_folder(folder)?;
        Ok(Self { folder: folder.to_path_buf(), entries, levels: RwLock::new(levels) })
    }

    /// Whether everything is there that a tree of this size has.
    pub(super) fn are_whole(&self, size: u64) -> io::Result<bool> {
        let levels = self.levels.read();
        let mut count = size;
        let mut whole = self.entries.metadata()?.len() >= size * ENTRY_BYTES as u64;
        for level in 0.. {
            if count == 0 {
                break;
            }
            whole &= levels.get(level).map_or(Ok(0), |file| file.metadata().map(|m| m.len()))? >= count * HASH_BYTES;
            count /= WIDTH;
        }
        Ok(whole)
    }

    /// Forgets everything, before it is built again.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.entries.set_len(0)?;
        self.levels.read().iter().try_for_each(|file| file.set_len(0))
    }

    /// Writes what a tree of `size` leaves grew by, and makes it durable.
    pub(super) fn write(&self, size: u64, grown: &Grown) -> io::Result<()> {
        self.make_levels(grown.levels.len())?;
        self.entries.write_all_at(&grown.entries, size * ENTRY_BYTES as u64)?;
        let levels = self.levels.read();
        let mut count = size;
        for (file, hashes) in levels.iter().zip(&grown.levels) {
            file.write_all_at(hashes, count * HASH_BYTES)?;
            count /= WIDTH;
        }
        self.entries.sync_data()?;
        levels.iter().zip(&grown.levels).filter(|(_, hashes)| !hashes.is_empty()).try_for_each(|(file, _)| file.sync_data())
    }

    fn make_levels(&self, count: usize) -> io::Result<()> {
        let mut levels = self.levels.write();
        if levels.len() >= count {
            return Ok(());
        }
        while levels.len() < count {
            let file = open(&self.folder.join(name(levels.len())))?;
            levels.push(file);
        }
        sync_folder(&self.folder)
    }

    /// So many hashes of a level, from the `first` on.
    pub(super) fn hashes(&self, level: usize, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let levels = self.levels.read();
        match levels.get(level) {
            Some(file) => read(file, first, count, HASH_BYTES),
            None if count == 0 => Ok(Vec::new()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The bytes of a tile or bundle.
    pub(super) fn tile(&self, tile: &Tile) -> io::Result<Vec<u8>> {
        match tile.level() {
            None => read(&self.entries, tile.first(), tile.width(), ENTRY_BYTES as u64),
            Some(level) => self.hashes(usize::from(level), tile.first(), tile.width()),
        }
    }

    /// The hash of a leaf.
    pub(super) fn leaf(&self, index: u64) -> io::Result<Hash> {
        let bytes = self.hashes(0, index, 1)?;
        bytes.try_into().map(Hash).map_err(|_other_length| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The tree of one size.
pub(super) struct Prefix<'a> {
    pub(super) files: &'a Files,
    pub(super) size: u64,
}

impl HashReader for Prefix<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let read = |index: &u64| {
            let tile = TreeTile::from_index(HEIGHT, *index);
            let first = tile.level_index() * WIDTH;
            if first + u64::from(tile.width()) > self.size >> (HEIGHT * tile.level()) {
                return Err(TreeError::IndexesNotInTree);
            }
            let hashes = self.files.hashes(usize::from(tile.level()), first, u64::from(tile.width()));
            tile.hash_at_index(&hashes.map_err(|_unreadable| TreeError::InvalidTile)?, *index)
        };
        indexes.iter().map(read).collect()
    }
}

fn read(file: &File, first: u64, count: u64, each: u64) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(count * each).map_err(|_too_many| io::ErrorKind::InvalidInput)?;
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, first * each)?;
    Ok(buffer)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn name(level: usize) -> String {
    format!("level-{level}")
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()?;
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
