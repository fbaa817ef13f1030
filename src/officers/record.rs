//! What is stored of an account.

use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{Key, Table};
use crate::vault::Sealed;

/// Accounts, each sealed under a data key of its own.
pub(super) const OFFICERS: Table<OfficerId, Sealed> = Table::new(b'u', "officers");

/// Names an account in the store; random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OfficerId(pub(super) [u8; 16]);

impl OfficerId {
    /// Whose data key seals the account.
    pub(super) const fn holder(self) -> SubjectId {
        SubjectId(self.0)
    }

    pub(super) fn aad(self) -> Vec<u8> {
        [b"officer".as_slice(), &self.0].concat()
    }
}

impl Key for OfficerId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// An account.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Account {
    /// Invariant: never given twice, also not after it was removed, so that the audit stays clear.
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) created_at: Millis,
    /// Who invited them.
    pub(super) by: String,
    /// Invariant: counts up with whatever ends sessions: another password, factor or role, and the end of the account.
    pub(super) generation: u32,
    /// The invitation that was used last; none works twice.
    pub(super) invitation: String,
    pub(super) signed_in_at: Option<Millis>,
    pub(super) removed_at: Option<Millis>,
    /// What proves who they are. Invariant: none if the account was removed.
    pub(super) proofs: Option<Proofs>,
}

/// What proves who somebody is.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Proofs {
    /// The password's argon2id hash, as a PHC string.
    pub(super) password: String,
    /// The secret of the second factor, in hexadecimal digits.
    pub(super) totp: String,
    /// Invariant: no code of this step or an earlier one works any more.
    pub(super) last_step: u64,
    /// Keyed digests of recovery codes that were not used.
    pub(super) recovery: Vec<String>,
}
