//! A data folder made from a backup.
//!
//! First the whole file is checked, and that keys and lists fit; then the folder is written, which does not open before everything is
//! there; then the keys. Whatever cuts it off, it can be done again.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::{fs, io};

use super::record::Record;
use super::{Error, Summary, check, each, open};
use crate::store::{Options, Rebuild};
use crate::vault::archive::{Closed, SealingKey};
use crate::vault::bundle::{Bundle, Lists, Needs};
use crate::vault::{self, Master};

/// What is to be restored, and where.
pub struct Order<'a> {
    /// The backup of the data.
    pub from: &'a Path,
    /// What opens it.
    pub key: &'a SealingKey,
    /// The data folder, which is empty or not there.
    pub data: &'a Path,
    /// The key folder.
    pub keys: &'a Path,
    /// The backup of the keys, if the key folder is lost as well.
    pub bundle: Option<&'a Bundle>,
    /// Where the master key comes from.
    pub master: &'a Master,
    /// One more list of the shredded.
    pub shredded: Option<&'a Path>,
    /// What opens that, if it is a backup of keys.
    pub bundle_key: Option<&'a SealingKey>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What was in the backup.
    pub summary: Summary,
    /// How many records of the list of the shredded the data have not heard of.
    pub to_be_shredded: usize,
}

/// Restores.
///
/// # Errors
/// Why it is refused; then nothing was written. If it fails later the data folder does not open until it is done again.
pub fn restore(order: &Order<'_>) -> Result<Restored, Error> {
    let summary = check(open(order.from)?, order.key)?;
    let mut lists = None;
    if let Some(needs) = &summary.needs {
        fits(order, needs)?;
        lists = Some((needs, Lists::gather(needs, (order.bundle, order.keys), order.shredded, order.bundle_key)?));
        if let Some((needs, lists)) = &lists {
            lists.reach(order.keys, needs)?;
        }
    }
    let rebuild = Rebuild::begin(order.data, &Options::default())?;
    let (rebuild, heads) = fill(order, rebuild)?;
    let mut to_be_shredded = 0;
    if let Some((needs, lists)) = lists {
        if let Some(bundle) = order.bundle {
            bundle.install(order.keys, needs, order.master)?;
        }
        to_be_shredded = lists.install(order.keys, needs)?;
    }
    rebuild.finish(&heads)?;
    Ok(Restored { summary, to_be_shredded })
}

/// Refuses keys of another moment before anything is written.
fn fits(order: &Order<'_>, needs: &Needs) -> Result<(), vault::Error> {
    let Some(bundle) = order.bundle else { return needs.fit_folder(order.keys) };
    needs.fit(bundle)?;
    bundle.refuse_others(order.keys, needs, order.master)
}

/// Twice through the file: chunks that were read come before those that were appended meanwhile.
fn fill(order: &Order<'_>, mut rebuild: Rebuild) -> Result<(Rebuild, Vec<(u8, u64)>), Error> {
    each(Closed::read(open(order.from)?)?, order.key, |record| {
        if let Record::Chunk { stream, chunk, bytes, appended: false } = record {
            rebuild.chunk(stream, chunk, bytes)?;
        }
        Ok(())
    })?;
    let mut heads = Vec::new();
    each(Closed::read(open(order.from)?)?, order.key, |record| {
        match record {
            Record::Chunk { appended: false, .. } => {}
            Record::Chunk { stream, chunk, bytes, appended: true } => rebuild.chunk(stream, chunk, bytes)?,
            Record::Key(key, value) => rebuild.key(key, value)?,
            Record::Dropped(stream, chunk) => rebuild.drop_chunk(stream, chunk),
            Record::File(name, bytes) => write_file(order.data, &name, &bytes)?,
            Record::End(all) => heads = all,
        }
        Ok(())
    })?;
    Ok((rebuild, heads))
}

/// Writes a file beside the store.
fn write_file(data: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let Some((folder, file)) = name.split_once('/').filter(|(folder, file)| is_plain(folder) && is_plain(file)) else {
        return Err(vault::archive::Flaw::Unknown.into());
    };
    let (folder, path) = (data.join(folder), data.join(name));
    let made = match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    let written = made
        .and_then(|()| fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(file)))
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::File::open(&folder)?.sync_all());
    written.map_err(|source| Error::Io { path, source })
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}
