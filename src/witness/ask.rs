//! One witness is asked to cosign one head: `add-checkpoint` of C2SP `tlog-witness`.

use std::sync::Arc;

use super::Asked;
use crate::egress::{Failure, Reply, Verb};
use crate::ledger::{Cosignature, Head, Ledger};

/// How often a witness may say that it has seen another size than was thought.
const CONFLICTS_MAX: u32 = 2;

/// Why a witness has not cosigned a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It could not be reached.
    #[error("{}", .0.code())]
    Failure(Failure),
    /// It does not know this log: its operator has to be told the log's key.
    #[error("it does not know this log; give its operator the log's key (GET /ledger/key)")]
    Unknown,
    /// It has cosigned a larger tree than there is.
    #[error("it has cosigned a tree of {seen} entries, and there are {size}")]
    Ahead {
        /// How large its tree is.
        seen: u64,
        /// How large the log is.
        size: u64,
    },
    /// Its tree is not one that the log has grown out of.
    #[error("its tree is not one that the log has grown out of")]
    Inconsistent,
    /// What it answered is no valid cosignature of its key.
    #[error("its answer is no valid cosignature of its key")]
    Signature,
    /// It answered something else.
    #[error("it answers {0}")]
    Status(u16),
    /// There is no proof that the log has grown.
    #[error("the proof could not be made")]
    Proof,
}

impl Refusal {
    /// Whether it means that different logs were signed with one key.
    pub(super) const fn is_fork(self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Inconsistent)
    }
}

/// Asks for a cosignature of a head. `seen` is the size that the witness is thought to have cosigned last.
pub(super) async fn cosign(ledger: &Arc<Ledger>, asked: &Asked, seen: u64, head: &Head) -> Result<Cosignature, Refusal> {
    let mut seen = seen;
    for _ in 0..CONFLICTS_MAX {
        let body = body(ledger, seen, head).await?;
        let headers = [("content-type", String::from("text/plain; charset=utf-8"))];
        let reply = asked.outlet.ask(Verb::Post, &headers, body.into_bytes()).await.map_err(Refusal::Failure)?;
        match reply.status {
            200 => {
                let text = std::str::from_utf8(&reply.body).map_err(|_not_text| Refusal::Signature)?;
                return asked.witness.cosignature(head, text).ok_or(Refusal::Signature);
            }
            409 => seen = other_size(&reply, seen, head.size)?,
            403 | 404 => return Err(Refusal::Unknown),
            422 => return Err(Refusal::Inconsistent),
            status => return Err(Refusal::Status(status)),
        }
    }
    Err(Refusal::Status(409))
}

/// The size that a witness says it has seen.
fn other_size(reply: &Reply, thought: u64, size: u64) -> Result<u64, Refusal> {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    let seen: u64 = text.trim_end_matches('\n').parse().map_err(|_no_size| Refusal::Status(409))?;
    if seen > size {
        return Err(Refusal::Ahead { seen, size });
    }
    // It has seen what was thought, and refuses all the same: another tree of the same size.
    if seen == thought { Err(Refusal::Inconsistent) } else { Ok(seen) }
}

async fn body(ledger: &Arc<Ledger>, seen: u64, head: &Head) -> Result<String, Refusal> {
    let mut body = format!("old {seen}\n");
    if seen > 0 && seen < head.size {
        let (ledger, size) = (Arc::clone(ledger), head.size);
        let proof = tokio::task::spawn_blocking(move || ledger.prove_growth(seen, Some(size))).await;
        let (_, proof) = proof.map_err(|_panicked| Refusal::Proof)?.map_err(|_no_proof| Refusal::Proof)?;
        for hash in proof.hashes {
            body.push_str(&format!("{hash}\n"));
        }
    }
    body.push('\n');
    body.push_str(&head.note);
    Ok(body)
}
