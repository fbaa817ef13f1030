//! Invitations: links by which somebody sets up an account, or sets up a lost one anew.
//!
//! Each is one small file in `officers.d/` in the data folder that holds a digest, never the secret: the store is locked while the gateway
//! runs, and the first admin must be made before there is anybody who could sign in.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{Error, Role};
use crate::clock::{Chance, Millis};
use crate::private;

/// The folder in the data folder.
pub const FOLDER: &str = "officers.d";
/// How long an invitation works.
pub const VALID_MS: Millis = 3 * 24 * 3_600_000;

/// An invitation as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The form of this file.
    version: u8,
    /// 32 hexadecimal digits. Invariant: the file's name.
    pub id: String,
    /// The account's name.
    pub name: String,
    /// What they shall be.
    pub role: Role,
    /// Whether it sets up an account anew that exists; then `role` says nothing.
    pub renews: bool,
    /// Who invites.
    pub by: String,
    /// When it ends.
    pub expires_at: Millis,
    /// SHA-256 of the secret, in hexadecimal digits. The secret has 256 random bits, so nothing slower is needed.
    digest: String,
}

/// What an invitation shall be.
#[derive(Debug)]
pub struct Order {
    /// The account's name.
    pub name: String,
    /// What they shall be.
    pub role: Role,
    /// Whether it sets up an account anew that exists.
    pub renews: bool,
    /// Who invites.
    pub by: String,
}

/// Makes an invitation. The second value is what the link ends with: it is nowhere else.
///
/// # Errors
/// When the name is none, or the folder cannot be written.
pub fn create(data: &Path, chance: &Chance, order: Order, at: Millis) -> Result<(Invitation, String), Error> {
    let Order { name, role, renews, by } = order;
    if !is_name(&name) {
        return Err(Error::Name);
    }
    let (id, secret) = (hex::encode(chance.bytes::<16>()?), hex::encode(chance.bytes::<32>()?));
    let token = format!("{id}_{secret}");
    let invitation = Invitation { version: 1, id, name, role, renews, by, expires_at: at + VALID_MS, digest: digest(&secret) };
    let folder = data.join(FOLDER);
    private::folder(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let path = file(&folder, &invitation.id);
    private::write(&path, &serde_json::to_vec_pretty(&invitation)?).map_err(|source| Error::Io { path, source })?;
    Ok((invitation, token))
}

/// The invitation that a link leads to. Unknown, altered and over look alike.
pub(super) fn find(folder: &Path, token: &str, at: Millis) -> Result<Invitation, Error> {
    let (id, secret) = token.split_once('_').ok_or(Error::NoInvitation)?;
    if !is_hex(id, 32) || !is_hex(secret, 64) {
        return Err(Error::NoInvitation);
    }
    let invitation = read(&file(folder, id)).ok_or(Error::NoInvitation)?;
    let good = invitation.id == id && invitation.digest == digest(secret) && at < invitation.expires_at;
    if good { Ok(invitation) } else { Err(Error::NoInvitation) }
}

/// Takes an invitation away.
pub(super) fn end(folder: &Path, id: &str) -> Result<(), Error> {
    let path = file(folder, id);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source: error }),
        _ => Ok(()),
    }
}

/// All invitations that still work, in no particular order.
pub(super) fn list(folder: &Path, at: Millis) -> Vec<Invitation> {
    each(folder).into_iter().filter_map(|path| read(&path)).filter(|invitation| at < invitation.expires_at).collect()
}

/// Takes away those that are over.
pub(super) fn tidy(folder: &Path, at: Millis) -> Result<(), Error> {
    for path in each(folder) {
        if let Some(over) = read(&path).filter(|invitation| invitation.expires_at <= at) {
            end(folder, &over.id)?;
        }
    }
    Ok(())
}

fn each(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn read(path: &Path) -> Option<Invitation> {
    let invitation: Invitation = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(invitation).filter(|invitation| invitation.version == 1 && is_hex(&invitation.id, 32) && is_name(&invitation.name))
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

fn digest(secret: &str) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether an account can be called like this: a short name of the company's own, as those that requests are assigned to.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (2..=40).contains(&text.len()) && text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase())
}
