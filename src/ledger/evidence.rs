//! That an entry stands in the log, in a form that can be handed on and checked offline.

use serde::{Deserialize, Serialize};
use tlog_tiles::Hash;

use super::note::{Doubt, Head, verify_note, verify_record};
use super::{Commitment, Error, Ledger};

/// The way from an entry to a signed head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// The log's key, `name+hash+key`. Compare it with one from somebody whom you trust.
    pub key: String,
    /// The entry's place, from 0.
    pub index: u64,
    /// The hashes from the leaf to the root (RFC 6962, 2.1.1), base64.
    pub proof: Vec<String>,
    /// The signed head.
    pub checkpoint: String,
}

impl Ledger {
    /// The evidence for an entry. What was appended a moment ago is taken in first. Blocks.
    ///
    /// # Errors
    /// [`Error::NoLeaf`], and what store and disk say.
    pub fn evidence(&self, commitment: &Commitment) -> Result<Evidence, Error> {
        let mut found = self.find(commitment)?;
        while found.is_none() {
            let taken = self.take_in()?;
            // Looked for in any case: others may have taken it in meanwhile.
            found = self.find(commitment)?;
            if taken == 0 {
                break;
            }
        }
        let index = found.ok_or(Error::NoLeaf)?;
        // A head that others have seen as well is worth more than a newer one.
        let head = self.witnessed().filter(|head| head.size > index).unwrap_or_else(|| self.head());
        let (_, proof) = self.prove(index, Some(head.size))?;
        let proof = proof.hashes.iter().map(Hash::to_string).collect();
        Ok(Evidence { key: self.key(), index, proof, checkpoint: head.note.clone() })
    }
}

impl Evidence {
    /// Checks that the log with this key has the entry. Without a key the one in the evidence is taken.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn check(&self, key: Option<&str>, commitment: &Commitment) -> Result<Head, Doubt> {
        let head = verify_note(&self.checkpoint, key.unwrap_or(&self.key))?;
        let read = |text: &String| Hash::parse_hash(text).map_err(|_no_hash| Doubt::Proof);
        let proof = self.proof.iter().map(read).collect::<Result<Vec<Hash>, Doubt>>()?;
        verify_record(&head, self.index, &commitment.0, &proof)?;
        Ok(head)
    }
}
