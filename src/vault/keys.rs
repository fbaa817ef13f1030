//! The key files: who may read them, how they are written, what is in them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::hkdf;
use zeroize::Zeroizing;

use super::Error;
use super::mac::MacKey;
use crate::clock::Chance;

/// Key files are small; more than this is not one.
const FILE_BYTES_MAX: u64 = 4096;

/// 32 secret bytes. Wiped on drop; no debug form. In a place of their own: whoever is handed them gets the way there, and no copy stays behind
/// where they were.
pub(super) struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }

    pub(super) fn random(chance: &Chance) -> Result<Self, Error> {
        Ok(Self::new(chance.bytes()?))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The same bytes once more. Spelt out, because every copy is one more to be wiped.
    pub(super) fn again(&self) -> Self {
        Self::copy_of(self.bytes())
    }

    /// These bytes once more.
    pub(super) fn copy_of(bytes: &[u8; 32]) -> Self {
        let mut own = Box::new(Zeroizing::new([0; 32]));
        own.copy_from_slice(bytes);
        Self(own)
    }

    /// An independent key for one use (HKDF-SHA-256, RFC 5869; no salt, the label as info).
    pub(super) fn derive(&self, label: &'static str) -> Result<Self, Error> {
        self.derive_for(&[label.as_bytes()])
    }

    /// The same for one use by one holder, which the parts name together. Invariant: only the last part varies in length.
    pub(super) fn derive_for(&self, parts: &[&[u8]]) -> Result<Self, Error> {
        let mut out = Box::new(Zeroizing::new([0_u8; 32]));
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(self.bytes())
            .expand(parts, hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(out.as_mut_slice()))
            .map_err(|ring::error::Unspecified| Error::Unreadable)?;
        Ok(Self(out))
    }

    /// Ready for keyed digests.
    pub(super) fn mac(&self) -> MacKey {
        MacKey::new(self)
    }
}

/// The folder with the key files. Only its owner may enter it.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, making it if it is not there. It is closed to others as long as no key lies in it; after that,
    /// finding it open is an error, because somebody may have looked.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let folder = Self(path.to_owned());
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| folder.io("", e))?;
            }
            Err(e) => return Err(folder.io("", e)),
            Ok(_) if folder.path("master.key").exists() || folder.path("index.key").exists() => only_ours(path)?,
            Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| folder.io("", e))?,
        }
        Ok(folder)
    }

    /// The folder as it is; nothing is made or changed.
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// The key in the file, `None` if there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Secret>, Error> {
        read(&self.path(name))
    }

    /// The key in a file; `None` if there is no such file, or what is in it is no key (any more).
    pub(super) fn read_if_whole(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.read(name) {
            Err(Error::NotAKey { .. }) => Ok(None),
            read => read,
        }
    }

    /// The text in a file, `None` if there is no such file.
    pub(super) fn read_text(&self, name: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.path(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|e| self.io(name, e)),
        }
    }

    /// Writes a text in the place of another, at once or not at all. Not for secrets.
    pub(super) fn write_text(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, draft) = (self.path(name), self.path(name).with_extension("new"));
        let written = fs::write(&draft, text)
            .and_then(|()| fs::File::open(&draft)?.sync_all())
            .and_then(|()| fs::rename(&draft, &path))
            .and_then(|()| sync_folder(&self.0));
        written.map_err(|e| self.io(name, e))
    }

    /// Lets one key file take the place of another, at once or not at all.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let renamed = fs::rename(self.path(from), self.path(to)).and_then(|()| sync_folder(&self.parent(to)));
        renamed.map_err(|e| self.io(from, e))
    }

    /// Removes a key file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.and_then(|()| sync_folder(&self.parent(name))).map_err(|e| self.io(name, e)),
        }
    }

    fn parent(&self, name: &str) -> PathBuf {
        self.path(name).parent().map_or_else(|| self.0.clone(), Path::to_owned)
    }

    /// Overwrites a key file where it lies, and removes it, if it is there.
    pub(super) fn destroy(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let length = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => usize::try_from(found.map_err(|e| self.io(name, e))?.len().min(FILE_BYTES_MAX)).unwrap_or(0),
        };
        let overwritten = fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| {
            file.write_all(&vec![0; length])?;
            file.sync_all()
        });
        overwritten.map_err(|e| self.io(name, e))?;
        self.remove(name)
    }

    /// Makes a new key and writes it: complete and on the disk, or not there at all. Never replaces a file.
    pub(super) fn create(&self, name: &str, chance: &Chance) -> Result<Secret, Error> {
        let secret = Secret::random(chance)?;
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.0);
        make_folder(parent).map_err(|e| self.io(name, e))?;
        self.write(&path, &secret).map_err(|e| self.io(name, e))?;
        Ok(secret)
    }

    fn write(&self, path: &Path, secret: &Secret) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.0);
        let draft = path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            // What a crash left behind was never used.
            Err(_) | Ok(()) => {}
        }
        let text = Zeroizing::new(format!(
            "# Pforte key, 32 bytes in hex. Keep it secret and keep a copy: see README.md\n{}\n",
            *hex(secret)
        ));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link, not a rename: it fails where a rename would overwrite a key that somebody else just made.
        fs::hard_link(&draft, path)?;
        fs::remove_file(&draft)?;
        sync_folder(parent)
    }

    fn io(&self, name: &str, source: io::Error) -> Error {
        Error::Io { path: self.path(name), source }
    }
}

/// The key in a file, `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
        Ok(meta) if !meta.is_file() || meta.len() > FILE_BYTES_MAX => return Err(Error::NotAKey { path: path.to_owned() }),
        Ok(_) => only_ours(path)?,
    }
    let text = Zeroizing::new(fs::read(path).map_err(io)?);
    parse(&text).map(Some).ok_or_else(|| Error::NotAKey { path: path.to_owned() })
}

/// Makes a folder that only its owner may enter, if it is not there, so that it survives a power cut.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::DirBuilder::new().mode(0o700).create(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Refuses a file or folder that others may read or write.
pub(super) fn only_ours(path: &Path) -> Result<(), Error> {
    let meta = fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::OpenToOthers { path: path.to_owned(), mode, cure: if meta.is_dir() { 0o700 } else { 0o600 } })
}

fn hex(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(secret.bytes()))
}

/// The key in a text: 64 hexadecimal digits on a line, and lines that begin with `#`.
pub(super) fn parse(text: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (digits, None) = (lines.next()?, lines.next()) else { return None };
    let mut bytes = Box::new(Zeroizing::new([0_u8; 32]));
    hex::decode_to_slice(digits, bytes.as_mut_slice()).ok()?;
    Some(Secret(bytes))
}
