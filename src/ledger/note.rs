//! Signed heads: C2SP `tlog-checkpoint` in a C2SP signed note, Ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signed_note::{Note, NoteError, Signer, StandardVerifier, VerifierList, key_id};
use tlog_tiles::{Checkpoint, Hash, RecordProof};

use super::Error;
use crate::vault::LogKey;

/// What Ed25519 is called in signed notes.
const ED25519: u8 = 1;

/// A head of the log: how many leaves, which root, and the note that says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

/// Why a head or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The verifier key is none.
    #[error("this is not the key of a log (name+hash+key)")]
    Key,
    /// It is no signed note with a head in it.
    #[error("this is not a signed head of a log (checkpoint)")]
    Form,
    /// The head is of another log, or somebody else has signed it, or it was changed.
    #[error("the head is not signed with this key: it was changed, or it is another log's")]
    Signature,
    /// Not enough witnesses have cosigned the head.
    #[error("not enough witnesses have cosigned the head")]
    Unwitnessed,
    /// The proof does not lead from the leaf to the root.
    #[error("the proof does not lead from this leaf to this head")]
    Proof,
}

/// The log's name: from its key, so that two logs never share one, and nothing has to be set.
fn name(key: &LogKey) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, &key.public());
    format!("pforte.ledger/{}", hex::encode(digest.as_ref().iter().take(8).copied().collect::<Vec<u8>>()))
}

fn typed(key: &LogKey) -> Vec<u8> {
    [&[ED25519], key.public().as_slice()].concat()
}

/// The verifier key: `name+hash+key`.
pub(super) fn verifier_key(key: &LogKey) -> String {
    let (name, typed) = (name(key), typed(key));
    format!("{name}+{:08x}+{}", key_id(&name, &typed), STANDARD.encode(&typed))
}

struct Named<'a> {
    key: &'a LogKey,
    name: String,
}

impl Signer for Named<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        key_id(&self.name, &typed(self.key))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.key.sign(message))
    }
}

/// Signs a head.
pub(super) fn sign(key: &LogKey, size: u64, root: Hash) -> Result<Head, Error> {
    let signer = Named { key, name: name(key) };
    let checkpoint = Checkpoint::new(&signer.name, size, root, "").map_err(|_malformed| Error::Note)?;
    let mut note = Note::new(&checkpoint.to_bytes(), &[]).map_err(|_malformed| Error::Note)?;
    note.add_sigs(&[&signer]).map_err(|_refused| Error::Note)?;
    let note = String::from_utf8(note.to_bytes()).map_err(|_not_text| Error::Note)?;
    Ok(Head { size, root, note })
}

/// Checks a signed head with the log's verifier key alone.
///
/// # Errors
/// Why it does not hold.
pub fn verify_note(note: &str, key: &str) -> Result<Head, Doubt> {
    let key = key.trim();
    let verifier = StandardVerifier::new(key).map_err(|_malformed| Doubt::Key)?;
    let parsed = Note::from_bytes(note.as_bytes()).map_err(|_malformed| Doubt::Form)?;
    let known = VerifierList::new(vec![Box::new(verifier)]);
    parsed
        .verify(&known)
        .map_err(|error| if matches!(error, NoteError::MalformedNote) { Doubt::Form } else { Doubt::Signature })?;
    let head = Checkpoint::from_bytes(parsed.text()).map_err(|_malformed| Doubt::Form)?;
    // The name of the key and that of the log are one; a head of another log signed with the same key is none of this one.
    if key.split('+').next() != Some(head.origin()) {
        return Err(Doubt::Signature);
    }
    Ok(Head { size: head.size(), root: *head.hash(), note: note.to_owned() })
}

/// Checks that a head's tree has this entry at this place.
///
/// # Errors
/// [`Doubt::Proof`].
pub fn verify_record(head: &Head, index: u64, entry: &[u8], proof: &RecordProof) -> Result<(), Doubt> {
    tlog_tiles::check_record(proof, head.size, head.root, index, tlog_tiles::record_hash(entry)).map_err(|_broken| Doubt::Proof)
}
