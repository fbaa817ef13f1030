//! The key folder as one small sealed file, and key folders made from it again.
//!
//! It holds what is needed to read a copy of the data: roots, index and domain keys, signing keys, the list of the shredded, and the master
//! key if it lies in the folder. It is read file by file, with a gateway running or not: of a root that is just being overwritten both
//! slots are taken, and one of them fits the store.
//!
//! **Restoring brings nobody back who is on a list.** Every list that can be had is merged: what the data have heard of stays in front,
//! everything else comes behind it and is shredded again before the doors open. Data whose root is of another moment are refused.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::archive::{Closed, FileKey, Flaw, Kind, Sealer, SealingKey};
use super::keys::{self, Folder};
use super::tombs::{self, Tomb};
use super::tree;
use super::{Error, Master};
use crate::clock::{Chance, Millis};

pub use super::tree::HEAD_KEY;

/// The file of the master key.
const MASTER: &str = "master.key";
/// The largest file of a key folder. The list of the shredded is the only one that grows.
const FILE_BYTES_MAX: u32 = 1 << 30;
/// How often a root is looked at again that is just being overwritten.
const LOOKS: usize = 100;

/// What data say about the keys that they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    tree: [u8; 16],
    generation: u64,
    buried: u64,
}

impl Needs {
    /// Reads what stands under [`HEAD_KEY`].
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it makes no sense.
    pub fn read(head: &[u8]) -> Result<Self, Error> {
        let (tree, generation, buried) = tree::facts(head)?;
        Ok(Self { tree, generation, buried })
    }

    fn root(&self) -> String {
        format!("roots/{}.root", hex::encode(self.tree))
    }

    fn list(&self) -> String {
        format!("shredded/{}.list", hex::encode(self.tree))
    }

    /// Refuses a root of another moment.
    fn fits(&self, root: Option<&[u8]>, path: &Path) -> Result<(), Error> {
        let root = root.ok_or_else(|| Error::KeyMissing { path: path.to_owned() })?;
        let generations = tree::generations(root, self.tree);
        if generations.contains(&self.generation) {
            return Ok(());
        }
        let newest = generations.into_iter().max().ok_or_else(|| Error::NotAKey { path: path.to_owned() })?;
        Err(Error::KeysOfAnotherTime { later: newest > self.generation })
    }

    /// Whether the keys in a folder are of the same moment as the data.
    ///
    /// # Errors
    /// [`Error::KeysOfAnotherTime`] if they are not, and what the disk says.
    pub fn fit_folder(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(self.root());
        self.fits(read(&path)?.as_deref().map(Vec::as_slice), &path)
    }

    /// Whether the keys in a bundle are of the same moment as the data.
    ///
    /// # Errors
    /// [`Error::KeysOfAnotherTime`] if they are not.
    pub fn fit(&self, bundle: &Bundle) -> Result<(), Error> {
        let name = self.root();
        self.fits(bundle.file(&name), Path::new(&name))
    }
}

/// The files of a key folder. Their bytes are wiped when it goes.
pub struct Bundle(Vec<(String, Zeroizing<Vec<u8>>)>);

impl Bundle {
    /// Reads a key folder. `pause` waits a little for a root that is just being overwritten.
    ///
    /// # Errors
    /// [`Error::RotationCutOff`] in the middle of a change of the master key, and what the disk says.
    pub fn collect(folder: &Path, pause: impl Fn()) -> Result<Self, Error> {
        keys::only_ours(folder)?;
        if folder.join("master.next.key").exists() {
            return Err(Error::RotationCutOff);
        }
        let mut names = Vec::new();
        walk(folder, "", &mut names)?;
        // Roots first: a list that is read later names everybody whom these roots have forgotten.
        names.sort_by_key(|name| (!name.starts_with("roots/"), name.clone()));
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let path = folder.join(&name);
            let mut bytes = read(&path)?;
            if name.starts_with("roots/") {
                for _ in 0..LOOKS {
                    if bytes.as_ref().is_none_or(|bytes| tree::is_at_rest(bytes)) {
                        break;
                    }
                    pause();
                    bytes = read(&path)?;
                }
            }
            // Removed meanwhile: then nobody needs it.
            files.extend(bytes.map(|bytes| (name, bytes)));
        }
        if files.is_empty() {
            return Err(Error::KeyMissing { path: folder.to_owned() });
        }
        Ok(Self(files))
    }

    /// Whether the master key is among them.
    #[must_use]
    pub fn has_master(&self) -> bool {
        self.file(MASTER).is_some()
    }

    /// How many files there are.
    #[must_use]
    pub const fn files(&self) -> usize {
        self.0.len()
    }

    /// Seals them.
    ///
    /// # Errors
    /// What `out` says.
    pub fn seal<W: Write>(&self, key: &SealingKey, at: Millis, chance: &Chance, out: W) -> Result<W, Error> {
        let mut sealer = Sealer::begin(key, (Kind::Keys, at), chance, out)?;
        let mut write = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).map_err(|_large| io::Error::from(io::ErrorKind::FileTooLarge))?;
            sealer.write_all(&length.to_be_bytes())?;
            sealer.write_all(bytes)
        };
        let written = self.0.iter().try_for_each(|(name, bytes)| write(name.as_bytes()).and_then(|()| write(bytes)));
        written.and_then(|()| sealer.finish()).map_err(|error| Flaw::Io(error).into())
    }

    /// Opens them.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open<R: BufRead>(closed: Closed<R>, key: &SealingKey) -> Result<Self, Error> {
        if closed.header.kind != Kind::Keys {
            return Err(Flaw::Unknown.into());
        }
        let mut opener = closed.open(key)?;
        let mut all = Zeroizing::new(Vec::new());
        while let Some(part) = opener.part()?.map(Zeroizing::new) {
            all.extend_from_slice(&part);
        }
        let mut rest = all.as_slice();
        let mut files = Vec::new();
        while !rest.is_empty() {
            let (name, more) = piece(rest).ok_or(Flaw::Unknown)?;
            let (bytes, more) = piece(more).ok_or(Flaw::Unknown)?;
            rest = more;
            let name = std::str::from_utf8(name).ok().filter(|name| is_plain(name)).ok_or(Flaw::Unknown)?;
            files.push((name.to_owned(), Zeroizing::new(bytes.to_vec())));
        }
        Ok(Self(files))
    }

    /// What seals backups under the master key that is in here, if it is.
    ///
    /// # Errors
    /// [`Error::NotAKey`] if it is none.
    pub fn file_key(&self) -> Result<Option<FileKey>, Error> {
        let Some(text) = self.file(MASTER) else { return Ok(None) };
        let secret = keys::parse(text).ok_or_else(|| Error::NotAKey { path: PathBuf::from(MASTER) })?;
        FileKey::of(&secret).map(Some)
    }

    fn file(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(held, _)| held == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// Refuses a key folder in which another key is where one of these belongs: nothing that is there is replaced by something else.
    ///
    /// # Errors
    /// [`Error::KeyDiffers`].
    pub fn refuse_others(&self, folder: &Path, needs: &Needs, master: &Master) -> Result<(), Error> {
        for (name, bytes) in self.wanted(needs, master) {
            let path = folder.join(name);
            if read(&path)?.is_some_and(|there| there != *bytes) {
                return Err(Error::KeyDiffers { path });
            }
        }
        Ok(())
    }

    /// Writes what these data need into a key folder.
    ///
    /// # Errors
    /// As for [`Bundle::refuse_others`], and what the disk says.
    pub fn install(&self, folder: &Path, needs: &Needs, master: &Master) -> Result<(), Error> {
        self.refuse_others(folder, needs, master)?;
        Folder::open(folder)?;
        self.wanted(needs, master).into_iter().try_for_each(|(name, bytes)| write(&folder.join(name), bytes))
    }

    /// The files for these data: no other store's root, no list, and no master key that is held outside.
    fn wanted(&self, needs: &Needs, master: &Master) -> Vec<&(String, Zeroizing<Vec<u8>>)> {
        let (root, outside) = (needs.root(), !matches!(master, Master::Folder));
        let foreign = |name: &str| {
            name.starts_with("shredded/") || (name.starts_with("roots/") && *name != root) || (name == MASTER && outside)
        };
        self.0.iter().filter(|(name, _)| !foreign(name)).collect()
    }
}

/// Where lists of the shredded are read from.
pub struct Lists(Vec<Vec<Tomb>>);

impl Lists {
    /// The lists for these data: that of the bundle, that of the folder, and one more, which is a folder of lists, a list, or another
    /// bundle that `key` opens.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] if there is none where one was named.
    pub fn gather(
        needs: &Needs,
        (bundle, folder): (Option<&Bundle>, &Path),
        more: Option<&Path>,
        key: Option<&SealingKey>,
    ) -> Result<Self, Error> {
        let name = needs.list();
        let of = |bytes: &[u8], path: &Path| tombs::parse_all(bytes).ok_or_else(|| Error::NotAKey { path: path.to_owned() });
        let mut lists = Vec::new();
        if let Some(bytes) = bundle.and_then(|bundle| bundle.file(&name)) {
            lists.push(of(bytes, Path::new(&name))?);
        }
        if let Some(bytes) = read(&folder.join(&name))? {
            lists.push(of(&bytes, &folder.join(&name))?);
        }
        if let Some(path) = more {
            let path = if path.is_dir() { path.join(Path::new(&name).file_name().unwrap_or_default()) } else { path.to_owned() };
            let missing = || Error::KeyMissing { path: path.clone() };
            let bytes = read(&path)?.ok_or_else(missing)?;
            let sealed = Closed::read(bytes.as_slice());
            match (sealed, key) {
                (Ok(closed), Some(key)) => {
                    let newer = Bundle::open(closed, key)?;
                    lists.push(of(newer.file(&name).ok_or_else(missing)?, &path)?);
                }
                (Ok(_), None) => return Err(Flaw::OtherKey("key (it asks for a passphrase)").into()),
                (Err(_), _) => lists.push(of(&bytes, &path)?),
            }
        }
        Ok(Self(lists))
    }

    /// Refuses lists of which none reaches as far as the data.
    ///
    /// # Errors
    /// [`Error::ListTooShort`].
    pub fn reach(&self, folder: &Path, needs: &Needs) -> Result<(), Error> {
        self.merged(folder, needs).map(drop)
    }

    fn merged(&self, folder: &Path, needs: &Needs) -> Result<Vec<Tomb>, Error> {
        let buried = usize::try_from(needs.buried).unwrap_or(usize::MAX);
        merge(&self.0, buried).ok_or_else(|| Error::ListTooShort { path: folder.join(needs.list()) })
    }

    /// Makes one of them, and writes it into the key folder. Says how many are to be shredded again, if they are there.
    ///
    /// # Errors
    /// [`Error::ListTooShort`] if none reaches as far as the data, and what the disk says.
    pub fn install(&self, folder: &Path, needs: &Needs) -> Result<usize, Error> {
        let merged = self.merged(folder, needs)?;
        Folder::open(folder)?;
        write(&folder.join(needs.list()), &merged.concat())?;
        Ok(merged.len() - usize::try_from(needs.buried).unwrap_or(usize::MAX))
    }
}

/// What the data have heard of, then everything else that stands on any list, once.
fn merge(lists: &[Vec<Tomb>], buried: usize) -> Option<Vec<Tomb>> {
    let base = lists.iter().find_map(|list| list.get(..buried)).or_else(|| (buried == 0).then_some(&[]))?;
    let heard: HashSet<&Tomb> = base.iter().collect();
    let (mut merged, mut seen) = (base.to_vec(), HashSet::new());
    for list in lists {
        // A list of another descent says nothing about what came first; what the data have heard of needs no second time.
        let (skip, same) = if list.get(..buried) == Some(base) { (buried, true) } else { (0, false) };
        let fresh = list.iter().skip(skip).filter(|tomb| same || !heard.contains(tomb));
        merged.extend(fresh.filter(|tomb| seen.insert(**tomb)));
    }
    Some(merged)
}

/// Length and bytes at the front.
fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A relative path that leads nowhere else.
fn is_plain(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    !name.is_empty() && name.split('/').all(part)
}

/// The files of a key folder, but for drafts, notes and what is not ours.
fn walk(folder: &Path, under: &str, names: &mut Vec<String>) -> Result<(), Error> {
    let here = folder.join(under);
    let io = |source| Error::Io { path: here.clone(), source };
    for entry in fs::read_dir(&here).map_err(io)? {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let passed = name.starts_with('.') || name == "README.md" || name == "lost+found";
        if passed || Path::new(&name).extension().is_some_and(|end| end == "new") {
            continue;
        }
        let name = if under.is_empty() { name } else { format!("{under}/{name}") };
        if entry.file_type().map_err(io)?.is_dir() { walk(folder, &name, names)? } else { names.push(name) }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX.into()).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Writes a key file that only its owner can read: whole and on the disk, or not there at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    let draft = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let written = keys::make_folder(folder)
        .and_then(|()| options.open(&draft))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| keys::sync_folder(folder));
    written.map_err(|source| Error::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tombs(numbers: &[u8]) -> Vec<Tomb> {
        numbers.iter().map(|n| [*n; 21]).collect()
    }

    #[test]
    fn what_the_data_have_heard_of_stays_in_front_and_everybody_else_comes_behind() {
        let merged = |lists: &[&[u8]], buried| {
            let lists: Vec<Vec<Tomb>> = lists.iter().map(|list| tombs(list)).collect();
            merge(&lists, buried).map(|merged| merged.iter().map(|tomb| tomb[0]).collect::<Vec<u8>>())
        };
        assert_eq!(merged(&[&[1, 2], &[1, 2, 3, 4]], 2), Some(vec![1, 2, 3, 4]));
        assert_eq!(merged(&[&[1, 2], &[1, 2, 3, 4]], 1), Some(vec![1, 2, 3, 4]));
        assert_eq!(merged(&[&[1, 2, 5], &[1, 2, 3, 4]], 2), Some(vec![1, 2, 5, 3, 4]), "two lists that went apart");
        assert_eq!(merged(&[&[1, 2], &[9, 2, 3]], 2), Some(vec![1, 2, 9, 3]), "a list of another descent");
        assert_eq!(merged(&[&[1, 2, 1]], 2), Some(vec![1, 2, 1]), "who came twice goes twice");
        assert_eq!(merged(&[], 0), Some(vec![]));
        assert_eq!(merged(&[&[1]], 2), None);
        assert_eq!(merged(&[&[1], &[1, 2, 3]], 2), Some(vec![1, 2, 3]));
    }

    proptest! {
        #[test]
        fn nobody_on_any_list_is_left_out(
            common in proptest::collection::vec(0..20_u8, 0..6),
            ours in proptest::collection::vec(0..20_u8, 0..6),
            theirs in proptest::collection::vec(0..20_u8, 0..6),
            cut in 0..6_usize,
        ) {
            let buried = cut.min(common.len());
            let lists = [tombs(&[common.clone(), ours].concat()), tombs(&[common.clone(), theirs].concat())];
            let merged = merge(&lists, buried).unwrap();
            prop_assert_eq!(&merged[..buried], &tombs(&common)[..buried]);
            for list in &lists {
                prop_assert!(list[buried..].iter().all(|tomb| merged[buried..].contains(tomb)));
            }
        }
    }

    #[test]
    fn a_name_in_a_bundle_leads_nowhere_else() {
        for name in ["../x", "/x", "a//b", "a/../b", "", ".", "a/."] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("domains/shop.key"));
    }
}
