//! Checks a copy of a log, offline: every entry, every tile, the signed head, and heads that were signed before.

use tlog_tiles::{Hash, record_hash};

use super::commitment::Commitment;
use super::edge::{Edge, Grown};
use super::note::{self, Head};
use super::tile::{ENTRY_BYTES, Tile, WIDTH};

/// Where a copy lies: a folder, or a server.
pub trait Copy {
    /// The bytes at a path below the log's address; none if there is nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &str) -> std::io::Result<Option<Vec<u8>>>;
}

/// Why a copy does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The copy cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// What was read.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Something is missing.
    #[error("{path} is missing")]
    Missing {
        /// What.
        path: String,
    },
    /// A head does not hold.
    #[error("{path}: {doubt}")]
    Head {
        /// Which.
        path: String,
        /// Why not.
        doubt: note::Doubt,
    },
    /// A bundle of entries or a tile has another length than its name says, or an entry is no commitment.
    #[error("{path} is cut off, or was changed")]
    Form {
        /// Which.
        path: String,
    },
    /// A tile is not what the entries give.
    #[error("{path} is not what the entries give: it or they were changed")]
    Tile {
        /// Which.
        path: String,
    },
    /// The entries are not those that the head was signed over.
    #[error("the entries are not those that the head of size {size} was signed over: something was changed, added or removed")]
    Root {
        /// The head's size.
        size: u64,
    },
    /// The log was signed over other entries before.
    #[error("FORK: the head of size {size} that was signed before stands for other entries than the log has now")]
    Fork {
        /// The earlier head's size.
        size: u64,
    },
    /// The log was longer before.
    #[error("FORK: a head of size {then} was signed before, and the log has {now} entries now: entries were removed")]
    Shorter {
        /// The earlier head's size.
        then: u64,
        /// The size now.
        now: u64,
    },
}

/// What was checked.
#[derive(Clone, Debug)]
pub struct Report {
    /// The head.
    pub head: Head,
    /// How many tiles and bundles were read.
    pub files: u64,
    /// How many earlier heads the log grew out of.
    pub since: usize,
}

/// Checks a copy against the log's verifier key and heads that were signed before. Memory stays flat.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(copy: &dyn Copy, key: &str, since: &[(String, String)]) -> Result<Report, Doubt> {
    let head = head(copy, key)?;
    let mut earlier = earlier(key, since)?;
    if let Some(longer) = earlier.iter().find(|earlier| earlier.size > head.size) {
        return Err(Doubt::Shorter { then: longer.size, now: head.size });
    }
    earlier.sort_by_key(|head| std::cmp::Reverse(head.size));
    let (mut edge, mut files) = (Edge::default(), 0);
    let mut checker = Checker { copy, size: head.size, waiting: Vec::new() };
    let count = earlier.len();
    same(&mut earlier, &edge)?;
    while edge.size() < head.size {
        let bundle = Tile::bundle(edge.size(), head.size);
        files += 1;
        let mut grown = Grown::default();
        for commitment in entries(copy, &bundle)? {
            edge.add(record_hash(&commitment.0), &mut grown);
            same(&mut earlier, &edge)?;
        }
        files += checker.grow(&grown)?;
    }
    files += checker.rest()?;
    if root(&edge, head.size)? != head.root {
        return Err(Doubt::Root { size: head.size });
    }
    Ok(Report { head, files, since: count })
}

/// The signed head of a copy.
///
/// # Errors
/// When it is missing or does not hold.
pub fn head(copy: &dyn Copy, key: &str) -> Result<Head, Doubt> {
    let path = String::from("checkpoint");
    let note = String::from_utf8_lossy(&read(copy, &path)?).into_owned();
    note::verify_note(&note, key).map_err(|doubt| Doubt::Head { path, doubt })
}

/// A file of a copy. Once a tile is full its parts may be gone.
///
/// # Errors
/// When it is missing, or not as long as its name says.
pub fn tile(copy: &dyn Copy, tile: &Tile) -> Result<Vec<u8>, Doubt> {
    let each = tile.level().map_or(ENTRY_BYTES, |_| 32);
    let bytes = match read(copy, &tile.path()) {
        Err(Doubt::Missing { path }) if !tile.is_full() => {
            let mut full = read(copy, &tile.filled().path()).map_err(|_also_missing| Doubt::Missing { path })?;
            full.truncate(width(tile) * each);
            full
        }
        read => read?,
    };
    if bytes.len() == width(tile) * each { Ok(bytes) } else { Err(Doubt::Form { path: tile.path() }) }
}

fn width(tile: &Tile) -> usize {
    usize::try_from(tile.width()).unwrap_or(usize::MAX)
}

fn read(copy: &dyn Copy, path: &str) -> Result<Vec<u8>, Doubt> {
    let found = copy.read(path).map_err(|source| Doubt::Io { path: path.to_owned(), source })?;
    found.ok_or_else(|| Doubt::Missing { path: path.to_owned() })
}

fn earlier(key: &str, since: &[(String, String)]) -> Result<Vec<Head>, Doubt> {
    let check =
        |(path, note): &(String, String)| note::verify_note(note, key).map_err(|doubt| Doubt::Head { path: path.clone(), doubt });
    since.iter().map(check).collect()
}

/// Compares with the earlier heads of this size. `earlier` has the smallest at its end.
fn same(earlier: &mut Vec<Head>, edge: &Edge) -> Result<(), Doubt> {
    while let Some(head) = earlier.pop_if(|head| head.size == edge.size()) {
        if root(edge, head.size)? != head.root {
            return Err(Doubt::Fork { size: head.size });
        }
    }
    Ok(())
}

fn root(edge: &Edge, size: u64) -> Result<Hash, Doubt> {
    edge.root().map_err(|_not_of_this_size| Doubt::Root { size })
}

fn entries(copy: &dyn Copy, bundle: &Tile) -> Result<Vec<Commitment>, Doubt> {
    let form = || Doubt::Form { path: bundle.path() };
    let bytes = tile(copy, bundle)?;
    let each = |entry: &[u8]| match entry {
        [0, 32, commitment @ ..] => commitment.try_into().map(Commitment).map_err(|_cut_off| form()),
        _ => Err(form()),
    };
    bytes.chunks(ENTRY_BYTES).map(each).collect()
}

/// Compares the tiles of a copy with what its entries give.
struct Checker<'a> {
    copy: &'a dyn Copy,
    size: u64,
    /// Per level how many hashes were compared, and those that still wait for their tile to be complete.
    waiting: Vec<(u64, Vec<u8>)>,
}

impl Checker<'_> {
    fn grow(&mut self, grown: &Grown) -> Result<u64, Doubt> {
        let mut compared = 0;
        for (level, hashes) in grown.levels.iter().enumerate() {
            if self.waiting.len() == level {
                self.waiting.push((0, Vec::new()));
            }
            let Some((done, waiting)) = self.waiting.get_mut(level) else { break };
            waiting.extend_from_slice(hashes);
            let full = usize::try_from(WIDTH * 32).unwrap_or(usize::MAX);
            while waiting.len() >= full {
                let rest = waiting.split_off(full);
                let hashes = std::mem::replace(waiting, rest);
                compare(self.copy, &at(level, *done, *done + WIDTH), &hashes)?;
                *done += WIDTH;
                compared += 1;
            }
        }
        Ok(compared)
    }

    /// Compares the tiles that are not full.
    fn rest(&mut self) -> Result<u64, Doubt> {
        let mut compared = 0;
        for (level, (done, waiting)) in self.waiting.iter().enumerate().filter(|(_, (_, waiting))| !waiting.is_empty()) {
            compare(self.copy, &at(level, *done, self.size >> (8 * level)), waiting)?;
            compared += 1;
        }
        Ok(compared)
    }
}

fn at(level: usize, first: u64, count: u64) -> Tile {
    Tile::of(u8::try_from(level).unwrap_or(u8::MAX), first / WIDTH, count)
}

fn compare(copy: &dyn Copy, wanted: &Tile, hashes: &[u8]) -> Result<(), Doubt> {
    if tile(copy, wanted)? == hashes { Ok(()) } else { Err(Doubt::Tile { path: wanted.path() }) }
}
