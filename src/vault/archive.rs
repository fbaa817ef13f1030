//! Whole files, sealed while they are written: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, *Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance*, CRYPTO 2015) over AES-256-GCM, with the counter and the mark of the last segment in the nonce.
//!
//! Layout: magic, length of the header (2 bytes), header (JSON), HMAC-SHA-256 of all that (32 bytes), then segments of 64 KiB, each with its
//! tag; only the last one may be shorter. Every file has a random salt in its header and keys of its own, derived from the sealing key
//! and the whole header, so that counted nonces never meet the same key twice.
//!
//! It is found, and said, if a byte was changed, if a segment is missing, comes twice or in another place, if the end is missing, if
//! something was appended, and if it was sealed with another key.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::{Folder, Secret};
use super::mac::MacKey;
use super::{Digits, Error, Master, check, master};
use crate::clock::{Chance, Millis};
use crate::store::Store;

/// Begins each file; a new layout gets a new one.
const MAGIC: &[u8; 16] = b"pforte backup 1\n";
/// How much is sealed at a time.
const SEGMENT_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
/// The longest header.
const HEADER_BYTES_MAX: usize = 4096;
/// The shortest passphrase.
const PHRASE_CHARS_MIN: usize = 12;
/// argon2id as RFC 9106 recommends it where memory is scarce: 64 MiB, three passes, four lanes.
const STRETCH: Stretch = Stretch { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// The most memory that a header may ask for, in KiB.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// The most passes that a header may ask for.
const PASSES_MAX: u32 = 20;

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything that is stored.
    Data,
    /// The key folder.
    Keys,
}

/// What a file says of itself before it is opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What is in it.
    pub kind: Kind,
    /// When it was begun.
    pub at: Millis,
    /// Hexadecimal.
    salt: String,
    /// How the passphrase was stretched; sealed under the master key if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    passphrase: Option<Stretch>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Stretch {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Header {
    /// Whether a passphrase opens it, and not the master key.
    #[must_use]
    pub const fn is_under_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }
}

/// Why a sealed file does not open.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It is something else.
    #[error("this is not a backup of pforte")]
    Foreign,
    /// A later or an earlier version made it.
    #[error("this backup was made by another version of pforte")]
    Version,
    /// Another key or passphrase sealed it.
    #[error("the backup was sealed with another {0}, or its first bytes were changed")]
    OtherKey(&'static str),
    /// A part does not open.
    #[error("the backup was changed or damaged between byte {from} and byte {to}")]
    Changed {
        /// Where the part begins.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// The last part is not a last part.
    #[error("the backup's end is missing: it was cut off at byte {0}, or the rest was changed")]
    CutOff(u64),
    /// Something comes behind the last part.
    #[error("something was appended to the backup behind byte {0}")]
    Appended(u64),
    /// What it says when it is open makes no sense.
    #[error("the backup holds something that this version does not know")]
    Unknown,
    /// It cannot be read.
    #[error("the backup cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What a person types to open a file. Wiped on drop; no debug form.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes it, without spaces around it.
    ///
    /// # Errors
    /// [`Error::PassphraseShort`] below twelve characters.
    pub fn new(Digits(text): &Digits) -> Result<Self, Error> {
        let text = text.trim();
        if text.chars().count() < PHRASE_CHARS_MIN {
            return Err(Error::PassphraseShort { characters: PHRASE_CHARS_MIN });
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// What seals and opens whole files.
pub enum SealingKey {
    /// Derived from the master key.
    Master(FileKey),
    /// Stretched from a passphrase.
    Passphrase(Passphrase),
}

/// A key for whole files, derived from the master key.
pub struct FileKey(Secret);

impl FileKey {
    pub(super) fn of(master: &Secret) -> Result<Self, Error> {
        Ok(Self(master.derive("pforte/v1/backup")?))
    }

    /// The same once more.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.again())
    }

    /// Reads the master key to which this store belongs.
    ///
    /// # Errors
    /// [`Error::OtherKeys`] if the store belongs to another one, and as for opening the vault.
    pub fn for_store(keys: &Path, master: &Master, store: &Store) -> Result<Self, Error> {
        let folder = Folder::open(keys)?;
        let name = || master.name(&folder);
        let secret = master.read(&folder)?.ok_or_else(|| Error::KeyMissing { path: name() })?;
        if !check::belongs(store, &super::DataKey::new(secret.derive(master::CHECK)?))? {
            return Err(Error::OtherKeys { path: name() });
        }
        Self::of(&secret)
    }

    /// Reads the master key, whatever belongs to it.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] if there is none.
    pub fn read(keys: &Path, master: &Master) -> Result<Self, Error> {
        let folder = Folder::at(keys);
        Self::of(&master.read(&folder)?.ok_or_else(|| Error::KeyMissing { path: master.name(&folder) })?)
    }
}

impl SealingKey {
    /// The secret of one file.
    fn secret(&self, header: &Header) -> Result<Secret, Flaw> {
        match (self, header.passphrase) {
            (Self::Master(key), None) => Ok(key.0.again()),
            (Self::Passphrase(phrase), Some(stretch)) => {
                if stretch.memory_kib > MEMORY_KIB_MAX || stretch.passes > PASSES_MAX {
                    return Err(Flaw::Version);
                }
                let params = Params::new(stretch.memory_kib, stretch.passes, stretch.lanes, Some(32));
                let params = params.map_err(|_out_of_range| Flaw::Version)?;
                let mut out = Zeroizing::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(phrase.0.as_bytes(), header.salt.as_bytes(), out.as_mut_slice())
                    .map_err(|_out_of_memory| Flaw::Io(io::Error::from(io::ErrorKind::OutOfMemory)))?;
                Ok(Secret::new(*out))
            }
            (Self::Master(_), Some(_)) => Err(Flaw::OtherKey("key (it asks for a passphrase)")),
            (Self::Passphrase(_), None) => Err(Flaw::OtherKey("key (it asks for the master key)")),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Master(_) => "master key",
            Self::Passphrase(_) => "passphrase",
        }
    }

    /// The cipher of one file, and the key of the code over its header.
    fn keys(&self, header: &Header, said: &[u8]) -> Result<(LessSafeKey, MacKey), Flaw> {
        let secret = self.secret(header)?;
        let derive = |label: &[u8]| secret.derive_for(&[label, said]).map_err(|_never| Flaw::Unknown);
        let over_header = derive(b"pforte/v1/file-header")?.mac();
        let body = derive(b"pforte/v1/file-body")?;
        let key = UnboundKey::new(&AES_256_GCM, body.bytes()).map_err(|ring::error::Unspecified| Flaw::Unknown)?;
        Ok((LessSafeKey::new(key), over_header))
    }
}

/// A file that is being sealed: what is written to it comes out sealed.
pub struct Sealer<W: Write> {
    out: W,
    key: LessSafeKey,
    segment: Vec<u8>,
    number: u64,
}

impl<W: Write> Sealer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Without randomness, and what `out` says.
    pub fn begin(key: &SealingKey, (kind, at): (Kind, Millis), chance: &Chance, mut out: W) -> Result<Self, Error> {
        let passphrase = matches!(key, SealingKey::Passphrase(_)).then_some(STRETCH);
        let header = Header { kind, at, salt: hex::encode(chance.bytes::<32>()?), passphrase };
        let text = serde_json::to_vec(&header).map_err(|error| Flaw::Io(error.into()))?;
        let mut said = MAGIC.to_vec();
        said.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        said.extend_from_slice(&text);
        let (key, over_header) = key.keys(&header, &said)?;
        let tag = over_header.whole([said.as_slice()]);
        out.write_all(&said).and_then(|()| out.write_all(&tag)).map_err(Flaw::Io)?;
        Ok(Self { out, key, segment: Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES), number: 0 })
    }

    /// Seals the last segment. Without it the file counts as cut off.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.key
            .seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut self.segment)
            .map_err(|ring::error::Unspecified| io::Error::other("a segment cannot be sealed"))?;
        self.number += 1;
        self.out.write_all(&self.segment)?;
        self.segment.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.segment.len() == SEGMENT_BYTES {
            self.seal(false)?;
        }
        let (now, _) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.segment.len()));
        self.segment.extend_from_slice(now);
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sealed file of which the header has been read.
pub struct Closed<R> {
    /// What it says of itself. Not to be believed before it is open.
    pub header: Header,
    said: Vec<u8>,
    tag: [u8; MAC_BYTES],
    input: R,
}

impl<R: BufRead> Closed<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Flaw::Foreign`] if it is something else.
    pub fn read(mut input: R) -> Result<Self, Flaw> {
        let mut said = vec![0; MAGIC.len() + 2];
        fill(&mut input, &mut said, Flaw::Foreign)?;
        let (magic, length) = said.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(if magic.starts_with(b"pforte backup ") { Flaw::Version } else { Flaw::Foreign });
        }
        let length = usize::from(u16::from_be_bytes(*length.first_chunk().ok_or(Flaw::Foreign)?));
        let mut text = vec![0; length.min(HEADER_BYTES_MAX)];
        fill(&mut input, &mut text, Flaw::CutOff(said.len() as u64))?;
        let header = serde_json::from_slice(&text).map_err(|_unknown| Flaw::Version)?;
        said.extend_from_slice(&text);
        let mut tag = [0; MAC_BYTES];
        fill(&mut input, &mut tag, Flaw::CutOff(said.len() as u64))?;
        Ok(Self { header, said, tag, input })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Flaw::OtherKey`] if this is not the key.
    pub fn open(self, key: &SealingKey) -> Result<Opener<R>, Flaw> {
        let (cipher, over_header) = key.keys(&self.header, &self.said)?;
        if !over_header.verify(&self.said, &self.tag) {
            return Err(Flaw::OtherKey(key.name()));
        }
        let place = (self.said.len() + MAC_BYTES) as u64;
        Ok(Opener { input: self.input, key: cipher, number: 0, place, over: false })
    }
}

/// A sealed file that is being read.
pub struct Opener<R> {
    input: R,
    key: LessSafeKey,
    number: u64,
    place: u64,
    over: bool,
}

impl<R: BufRead> Opener<R> {
    /// The next part in clear; `None` after the last. Nothing is given out that was not checked.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn part(&mut self) -> Result<Option<Vec<u8>>, Flaw> {
        if self.over {
            return Ok(None);
        }
        let mut sealed = Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES);
        self.input.by_ref().take((SEGMENT_BYTES + TAG_BYTES) as u64).read_to_end(&mut sealed)?;
        let last = self.input.fill_buf()?.is_empty();
        let (from, to) = (self.place, self.place + sealed.len() as u64);
        let mut part = sealed.clone();
        let opened = self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut part);
        let Ok(length) = opened.map(|plain| plain.len()) else {
            // What it would be as the other kind tells what happened to it.
            let other = self.key.open_in_place(nonce(self.number, !last), Aad::empty(), &mut sealed).is_ok();
            return Err(match (last, other) {
                (true, true) => Flaw::CutOff(to),
                (true, false) if to - from < (SEGMENT_BYTES + TAG_BYTES) as u64 => Flaw::CutOff(to),
                (false, true) => Flaw::Appended(to),
                (true | false, false) => Flaw::Changed { from, to },
            });
        };
        part.truncate(length);
        self.number += 1;
        (self.place, self.over) = (to, last);
        Ok(Some(part))
    }
}

fn fill(input: &mut impl Read, buffer: &mut [u8], short: Flaw) -> Result<(), Flaw> {
    input.read_exact(buffer).map_err(|error| if error.kind() == io::ErrorKind::UnexpectedEof { short } else { Flaw::Io(error) })
}

/// The segment's number, and whether it is the last one. Every file has a key of its own.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(place) = bytes.get_mut(3..11) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    if let Some(mark) = bytes.last_mut() {
        *mark = u8::from(last);
    }
    Nonce::assume_unique_for_key(bytes)
}
