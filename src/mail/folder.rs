//! Where letters lie when there is no mail server: one `.eml` file each, readable by the gateway's user alone.
//!
//! This is the one place under the data folder where something personal is not sealed. It is for trying the gateway out.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use super::record::LetterId;

/// What the files end with.
const ENDING: &str = "eml";
/// What they end with while they are written.
const UNFINISHED: &str = "tmp";

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Writes a mail, whole or not at all; it is on the disk when this returns.
    pub(super) fn write(&self, id: LetterId, bytes: &[u8]) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.path(id);
        let beside = path.with_extension(UNFINISHED);
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)?;
        std::fs::File::open(&self.0)?.sync_all()
    }

    /// Takes mails away that this says of.
    pub(super) fn remove(&self, mut is_old: impl FnMut(LetterId) -> bool) -> io::Result<usize> {
        let mut gone = 0;
        for id in self.list()? {
            if is_old(id) {
                std::fs::remove_file(self.path(id))?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// Takes away what a crash left of mails that were being written; they are sent again. Before anything is written.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        self.names(UNFINISHED)?.into_iter().try_for_each(|id| std::fs::remove_file(self.path(id).with_extension(UNFINISHED)))
    }

    /// All mails, in no particular order.
    pub(super) fn list(&self) -> io::Result<Vec<LetterId>> {
        self.names(ENDING)
    }

    fn names(&self, ending: &str) -> io::Result<Vec<LetterId>> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            all.extend(name.filter(|_| path.extension().is_some_and(|e| e == ending)).and_then(LetterId::parse));
        }
        Ok(all)
    }

    /// One mail; `None` if it is not there.
    pub(super) fn read(&self, id: LetterId) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn path(&self, id: LetterId) -> PathBuf {
        self.0.join(id.name()).with_extension(ENDING)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_mail_is_for_its_owners_eyes_and_goes_when_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder(dir.path().join("mail"));
        assert!(folder.list().unwrap().is_empty());
        let (one, other) = (LetterId { about: [1; 16], own: [1; 16] }, LetterId { about: [2; 16], own: [2; 16] });
        folder.write(one, b"one").unwrap();
        folder.write(one, b"again").unwrap();
        folder.write(other, b"other").unwrap();
        let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.path(one))), (0o700, 0o600));
        assert_eq!(folder.read(one).unwrap().unwrap(), b"again");
        assert_eq!(folder.list().unwrap().len(), 2);
        let cut_off = folder.path(one).with_extension(UNFINISHED);
        std::fs::write(&cut_off, b"on").unwrap();
        folder.remove_unfinished().unwrap();
        assert!(!cut_off.exists() && folder.list().unwrap().len() == 2);
        assert_eq!(folder.remove(|id| id == one).unwrap(), 1);
        assert_eq!((folder.read(one).unwrap(), folder.list().unwrap()), (None, vec![other]));
    }
}
