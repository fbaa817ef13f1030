//! The root of the key tree: the one key that is overwritten where it lies.
//!
//! The file has two slots of 4096 bytes, each with a generation, the root key sealed under the master key, and a CRC-32. At rest
//! both hold the same. A change writes the second slot, syncs, lets the store commit the tree under the new root, then writes the
//! first slot and syncs: at any moment one whole slot fits the store, and afterwards the old root is nowhere in the file.
//!
//! Whether overwriting a file destroys what it held is up to what lies below: see `docs/operations.md`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::super::keys::{self, Secret};
use super::super::{DataKey, Error};

/// A slot never shares a block of the disk with the other one.
const SLOT_BYTES: usize = 4096;
const SLOTS: usize = 2;
/// Begins each slot; a new layout gets a new one.
const MAGIC: &[u8] = b"pforte root 1\n";

/// The open file.
pub(super) struct RootFile {
    path: PathBuf,
    file: File,
    tree: [u8; 16],
}

impl RootFile {
    /// Opens the file of this tree; `None` if there is none.
    pub(super) fn open(path: &Path, tree: [u8; 16]) -> Result<Option<Self>, Error> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
            Ok(_) => keys::only_ours(path)?,
        }
        let file = fs::OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Ok(Some(Self { path: path.to_owned(), file, tree }))
    }

    /// Makes the file with its first root: whole and on the disk, or not there at all.
    pub(super) fn create(path: &Path, tree: [u8; 16], wrap: &DataKey, generation: u64, root: &Secret) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(path);
        keys::make_folder(folder).map_err(io)?;
        let draft = path.with_extension("new");
        let open = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let fresh = Self { path: path.to_owned(), file: open.map_err(io)?, tree };
        (0..SLOTS).try_for_each(|slot| fresh.write(slot, wrap, generation, root))?;
        fresh.file.sync_all().map_err(io)?;
        fs::hard_link(&draft, path).map_err(io)?;
        fs::remove_file(&draft).map_err(io)?;
        keys::sync_folder(folder).map_err(io)?;
        Ok(fresh)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the slots hold: generation and root, `None` where a slot is torn or is not of this tree.
    ///
    /// # Errors
    /// [`Error::OtherKeys`] if a whole slot does not open: another master key sealed it.
    pub(super) fn read(&self, wrap: &DataKey) -> Result<[Option<(u64, Secret)>; SLOTS], Error> {
        Ok([self.read_slot(0, wrap)?, self.read_slot(1, wrap)?])
    }

    /// Seals both slots under another key. Of a slot that is sealed under it already, or is torn, nothing changes.
    ///
    /// # Errors
    /// [`Error::OtherKeys`] if a slot opens with neither.
    pub(super) fn reseal(&self, old: &DataKey, new: &DataKey) -> Result<(), Error> {
        for slot in 0..SLOTS {
            if self.read_slot(slot, new).is_ok() {
                continue;
            }
            if let Some((generation, root)) = self.read_slot(slot, old)? {
                self.write(slot, new, generation, &root)?;
            }
        }
        Ok(())
    }

    fn read_slot(&self, slot: usize, wrap: &DataKey) -> Result<Option<(u64, Secret)>, Error> {
        let mut bytes = vec![0; SLOT_BYTES];
        let mut filled = 0;
        while filled < SLOT_BYTES {
            let at = (slot * SLOT_BYTES + filled) as u64;
            let more = bytes.get_mut(filled..).map_or(Ok(0), |rest| self.file.read_at(rest, at));
            match more.map_err(|source| self.io(source))? {
                0 => break,
                count => filled += count,
            }
        }
        let Some((generation, sealed)) = parse(&bytes, self.tree) else { return Ok(None) };
        let opened = wrap.open(&aad(self.tree, generation), sealed).map(zeroize::Zeroizing::new);
        match opened.as_deref().map(|bytes| <&[u8; 32]>::try_from(bytes.as_slice())) {
            Ok(Ok(bytes)) => Ok(Some((generation, Secret::new(*bytes)))),
            _ => Err(Error::OtherKeys { path: self.path.clone() }),
        }
    }

    /// Overwrites a slot, and returns when it is on the disk.
    pub(super) fn write(&self, slot: usize, wrap: &DataKey, generation: u64, root: &Secret) -> Result<(), Error> {
        let sealed = wrap.seal(&aad(self.tree, generation), root.bytes())?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.tree);
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(sealed.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.resize(SLOT_BYTES, 0);
        let at = (slot * SLOT_BYTES) as u64;
        self.file.write_all_at(&bytes, at).and_then(|()| self.file.sync_data()).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

/// The generations of the roots in a file: of its whole slots.
pub(in crate::vault) fn generations(file: &[u8], tree: [u8; 16]) -> Vec<u64> {
    file.chunks(SLOT_BYTES).filter_map(|slot| parse(slot, tree)).map(|(generation, _)| generation).collect()
}

/// Whether both slots hold the same root: nobody is overwriting it.
pub(in crate::vault) fn is_at_rest(file: &[u8]) -> bool {
    let Some(tree) = file.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk()) else { return false };
    matches!(generations(file, *tree).as_slice(), [first, second] if first == second)
}

/// Generation and sealed root of a slot that is whole and of this tree.
fn parse(bytes: &[u8], tree: [u8; 16]) -> Option<(u64, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&tree)?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sealed, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let sum = u32::from_be_bytes(*rest.first_chunk()?);
    let summed = bytes.get(..bytes.len() - rest.len())?;
    (crc32fast::hash(summed) == sum).then_some((u64::from_be_bytes(*generation), sealed))
}

fn aad(tree: [u8; 16], generation: u64) -> Vec<u8> {
    [b"root".as_slice(), &tree, &generation.to_be_bytes()].concat()
}
