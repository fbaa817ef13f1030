//! The transparency log of decisions and of milestones of requests: an append-only Merkle tree (RFC 6962, RFC 9162) whose heads
//! are signed and whose tiles anybody may fetch (C2SP `tlog-tiles`, `tlog-checkpoint`, signed notes).
//!
//! It **promises**
//! - a leaf is a hash over a salt and a record, and nothing else: without both it says nothing about anybody, and when they are
//!   erased it can never again be confirmed, while the tree stays what it was;
//! - the leaf is appended in the commit that makes the record durable: both happen or neither;
//! - leaves stand in the order of the stream that they are appended to. The store promises that chunks of a stream are numbered
//!   without gaps, that only durable ones are seen, and that what was seen never goes. So of one size there is one tree, and the
//!   signed head never goes back, whatever crashes when;
//! - tiles are derived. When some are missing at start, or their edge is not what was signed, all are built again from the stream;
//!   a stream that does not give the head that was signed before makes the start fail. A proof is checked before it is given out;
//! - memory holds the tiles that are not full yet, a few kilobytes, however many leaves there are.
//!
//! It **refuses to know** what is recorded, and who may see it. It serves GDPR Art. 7(1) and 5(2).

mod commitment;
mod edge;
mod evidence;
mod files;
pub mod http;
mod note;
mod record;
#[cfg(test)]
mod tests;
mod tile;
mod trust;
pub mod verify;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tlog_tiles::{Hash, prove_record, prove_tree, record_hash, tree_hash};

pub use commitment::{Commitment, SALT_BYTES};
use edge::{Edge, Grown};
pub use evidence::Evidence;
use files::{Files, Prefix};
pub use note::{Doubt, Head, verify_note, verify_record};
use record::{Find, Leaf, STATE, State};
pub use tile::Tile;
pub use trust::{Cosignature, Flaw, Trust, Witness};

use crate::store::{self, Batch, Store};
use crate::vault::Vault;

/// How long leaves gather at most before a head is signed over them.
const GATHER: Duration = Duration::from_millis(200);
/// How long the work rests after it failed.
const STUMBLED: Duration = Duration::from_secs(10);
/// How many chunks of the stream are read at a time.
const CHUNKS_AT_ONCE: usize = 2;
/// The same while the tree is built again, which touches files alone.
const REBUILD_CHUNKS: usize = 64;
/// From how many leaves on a step is full. The engine keeps what it replaces until a commit is over, so a commit must not be large.
const STEP_LEAVES: usize = 1024;

/// What can go wrong in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The files of the tree could not be read or written.
    #[error("the files of the ledger: {0}")]
    Io(#[from] std::io::Error),
    /// The tree could not be read.
    #[error("the tree of the ledger: {0}")]
    Tree(#[from] tlog_tiles::Error),
    /// The stream does not give the head that was signed before.
    #[error("the ledger at size {size} is not what was signed before; restore data and keys from one backup")]
    Forked {
        /// The size that was signed.
        size: u64,
    },
    /// An entry of the stream is no commitment.
    #[error("an entry of the ledger is no commitment")]
    Form,
    /// There is no such leaf, or not yet.
    #[error("the ledger has no such leaf, or not yet")]
    NoLeaf,
    /// There is no tree of this size, or not yet.
    #[error("the ledger has no such size, or not yet")]
    NoSize,
    /// A head could not be written as a note.
    #[error("a head of the ledger cannot be signed")]
    Note,
}

/// A proof, with what it is about.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The tree's size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The hashes, from the leaf upwards.
    pub hashes: Vec<Hash>,
}

/// The log.
pub struct Ledger {
    store: Store,
    vault: Arc<Vault>,
    files: Files,
    /// Held while leaves are taken in. Invariant: it is at the size of `head`.
    work: Mutex<Work>,
    head: RwLock<Arc<Head>>,
    /// The newest head that enough witnesses have cosigned.
    witnessed: RwLock<Option<Arc<Head>>>,
}

#[derive(Clone)]
struct Work {
    edge: Edge,
    /// The first chunk that is not taken in.
    chunk: u64,
}

/// Appends a commitment in the commit that makes its record durable.
pub fn append(batch: &mut Batch, commitment: &Commitment) {
    batch.append(record::COMMITMENTS, &commitment.0);
}

impl Ledger {
    /// Opens the log. Its tiles lie in `folder`; what is missing of them is built again.
    ///
    /// # Errors
    /// [`Error::Forked`] if the stream does not give what was signed before, and what store and disk say.
    pub fn open(store: &Store, vault: &Arc<Vault>, folder: &Path) -> Result<Self, Error> {
        let files = Files::open(folder)?;
        let state = STATE.get(store, &record::Only)?.unwrap_or_default();
        let work = match Edge::load(&files, state.size) {
            Ok(edge) if edge.root()? == state.root && files.are_whole(state.size)? => Work { edge, chunk: state.chunk },
            Ok(_) | Err(_) => rebuild(store, &files, &state)?,
        };
        let head = note::sign(vault.log_key(), state.size, state.root)?;
        Ok(Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            files,
            work: Mutex::new(work),
            head: RwLock::new(Arc::new(head)),
            witnessed: RwLock::default(),
        })
    }

    /// The newest signed head.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head.read())
    }

    /// The newest head that enough witnesses have cosigned, if there is one.
    #[must_use]
    pub fn witnessed(&self) -> Option<Arc<Head>> {
        self.witnessed.read().clone()
    }

    /// Reads a head that this log has signed before; none if it is another log's, or of a tree that this one has not grown out of.
    #[must_use]
    pub fn own(&self, note: &str) -> Option<Head> {
        let head = verify_note(note, &self.key()).ok()?;
        let (_, root) = self.tree(Some(head.size)).ok()?;
        (root == head.root).then_some(head)
    }

    /// Takes over that enough witnesses have cosigned a head. Proofs are handed out for it from here on, where it is new enough.
    pub fn set_witnessed(&self, head: Head) {
        *self.witnessed.write() = Some(Arc::new(head));
    }

    /// The key that heads are checked with, as a verifier key of signed notes.
    #[must_use]
    pub fn key(&self) -> String {
        note::verifier_key(self.vault.log_key())
    }

    /// Takes in leaves and signs heads over them, for as long as the process runs. What fails is tried again.
    pub async fn run(self: Arc<Self>) {
        let mut appended = self.store.watch(record::COMMITMENTS);
        loop {
            appended.borrow_and_update();
            let ledger = Arc::clone(&self);
            let pause = match tokio::task::spawn_blocking(move || ledger.take_in()).await {
                Ok(Ok(0)) => {
                    if appended.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                // More waits: what has gathered already need not gather any longer.
                Ok(Ok(taken)) if taken >= STEP_LEAVES => Duration::ZERO,
                Ok(Ok(_)) => GATHER,
                Ok(Err(Error::Store(store::Error::Closed))) => return,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the ledger does not take in what was decided; it is tried again");
                    STUMBLED
                }
                Err(_panicked) => STUMBLED,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes in what was appended, and signs a head over it. Says how many leaves that were. Blocks.
    ///
    /// # Errors
    /// What store and disk say; then nothing has changed.
    pub fn take_in(&self) -> Result<usize, Error> {
        let mut work = self.work.lock();
        let mut next = work.clone();
        let mut found = Vec::new();
        let mut grown = Grown::default();
        while found.len() < STEP_LEAVES && take_chunks((&self.store, CHUNKS_AT_ONCE), &mut next, &mut grown, &mut found)? {}
        if found.is_empty() {
            return Ok(0);
        }
        self.files.write(work.edge.size(), &grown)?;
        let state = State { size: next.edge.size(), chunk: next.chunk, root: next.edge.root()? };
        let head = note::sign(self.vault.log_key(), state.size, state.root)?;
        let mut batch = Batch::default();
        for (commitment, index) in &found {
            record::FOUND.put(&mut batch, &Find::of(commitment), &Leaf(*index));
        }
        STATE.put(&mut batch, &record::Only, &state);
        self.store.commit_blocking(batch)?;
        *work = next;
        *self.head.write() = Arc::new(head);
        Ok(found.len())
    }

    /// The index of a commitment; none if it is not there, or not taken in yet.
    ///
    /// # Errors
    /// What the store says.
    pub fn find(&self, commitment: &Commitment) -> Result<Option<u64>, Error> {
        let found = record::FOUND.get(&self.store, &Find::of(commitment))?.map(|Leaf(index)| index);
        // It is stored a moment before the head over it is shown.
        Ok(found.filter(|index| *index < self.head().size))
    }

    /// The bytes of a tile or of a bundle of entries; none if the signed tree does not have it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, Error> {
        if !tile.is_in(self.head().size) { Ok(None) } else { Ok(Some(self.files.tile(tile)?)) }
    }

    /// The proof that the tree of this size has this leaf, and the leaf's hash. Every proof is checked before it is given out.
    ///
    /// # Errors
    /// [`Error::NoLeaf`] and [`Error::NoSize`].
    pub fn prove(&self, index: u64, size: Option<u64>) -> Result<(Hash, Proof), Error> {
        let (size, root) = self.tree(size)?;
        if index >= size {
            return Err(Error::NoLeaf);
        }
        let tree = Prefix { files: &self.files, size };
        let leaf = self.files.leaf(index)?;
        let hashes = prove_record(size, index, &tree)?;
        tlog_tiles::check_record(&hashes, size, root, index, leaf)?;
        Ok((leaf, Proof { size, root, hashes }))
    }

    /// The proof that the tree of the second size begins with the one of the first.
    ///
    /// # Errors
    /// [`Error::NoSize`].
    pub fn prove_growth(&self, from: u64, to: Option<u64>) -> Result<(Hash, Proof), Error> {
        let (size, root) = self.tree(to)?;
        if from == 0 || from > size {
            return Err(Error::NoSize);
        }
        let tree = Prefix { files: &self.files, size };
        let before = tree_hash(from, &tree)?;
        let hashes = prove_tree(size, from, &tree)?;
        tlog_tiles::check_tree(&hashes, size, root, from, before)?;
        Ok((before, Proof { size, root, hashes }))
    }

    /// A size up to that of the newest head, and its root.
    fn tree(&self, size: Option<u64>) -> Result<(u64, Hash), Error> {
        let head = self.head();
        let size = size.unwrap_or(head.size);
        if size > head.size {
            return Err(Error::NoSize);
        }
        if size == head.size {
            return Ok((size, head.root));
        }
        Ok((size, tree_hash(size, &Prefix { files: &self.files, size })?))
    }
}

/// Takes in some chunks of the stream; `false` if there are none.
fn take_chunks(
    (store, at_once): (&Store, usize),
    work: &mut Work,
    grown: &mut Grown,
    found: &mut Vec<(Commitment, u64)>,
) -> Result<bool, Error> {
    let chunks = store.chunks(record::COMMITMENTS, work.chunk, at_once)?;
    for chunk in &chunks {
        for entry in chunk.entries.iter() {
            let commitment = Commitment(entry.try_into().map_err(|_other_length| Error::Form)?);
            found.push((commitment, work.edge.size()));
            grown.entry(&commitment);
            work.edge.add(record_hash(&commitment.0), grown);
        }
        work.chunk = chunk.id + 1;
    }
    Ok(!chunks.is_empty())
}

/// Builds the tree again up to what was signed.
fn rebuild(store: &Store, files: &Files, signed: &State) -> Result<Work, Error> {
    tracing::warn!(size = signed.size, "the tiles of the ledger are missing or damaged; they are built again");
    let mut work = Work { edge: Edge::default(), chunk: 1 };
    files.clear()?;
    while work.edge.size() < signed.size {
        let (mut grown, mut found, before) = (Grown::default(), Vec::new(), work.edge.size());
        if !take_chunks((store, REBUILD_CHUNKS), &mut work, &mut grown, &mut found)? {
            break;
        }
        files.write(before, &grown)?;
    }
    // A head is signed over whole chunks, but the last step may have taken in more chunks than it was signed over.
    if work.edge.size() < signed.size || tree_hash(signed.size, &Prefix { files, size: work.edge.size() })? != signed.root {
        return Err(Error::Forked { size: signed.size });
    }
    Ok(Work { edge: Edge::load(files, signed.size)?, chunk: signed.chunk })
}
