//! The right edge of the tree: on each level the tile that is not full yet. It is all that is needed to add leaves and to know
//! the root.

use tlog_tiles::{Error as TreeError, HASH_SIZE, Hash, HashReader, Tile, tree_hash};

use super::commitment::Commitment;
use super::files::Files;
use super::tile::{ENTRY_BYTES, HEIGHT, WIDTH};

/// A tree's right edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Edge {
    size: u64,
    /// Per level of tiles the hashes of the last tile, concatenated. Invariant: on level `l` it holds `size >> 8l` modulo 256
    /// hashes.
    levels: Vec<Vec<u8>>,
}

/// What a tree grew by, as it is written behind what is there.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// Entries, as they stand in bundles.
    pub(super) entries: Vec<u8>,
    /// Per level of tiles the new hashes.
    pub(super) levels: Vec<Vec<u8>>,
}

impl Grown {
    /// Adds an entry: its length in two bytes, then what it is.
    pub(super) fn entry(&mut self, commitment: &Commitment) {
        self.entries.reserve(ENTRY_BYTES);
        self.entries.extend_from_slice(&[0, 32]);
        self.entries.extend_from_slice(&commitment.0);
    }
}

impl Edge {
    /// The edge of the tree of this size, from the tiles on disk.
    pub(super) fn load(files: &Files, size: u64) -> Result<Self, super::Error> {
        let (mut levels, mut count) = (Vec::new(), size);
        while count > 0 {
            let last = count % WIDTH;
            levels.push(files.hashes(levels.len(), count - last, last)?);
            count /= WIDTH;
        }
        Ok(Self { size, levels })
    }

    /// How many leaves there are.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub(super) fn add(&mut self, leaf: Hash, grown: &mut Grown) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(HASH_SIZE));
            }
            if grown.levels.len() == level {
                grown.levels.push(Vec::new());
            }
            let (Some(tile), Some(new)) = (self.levels.get_mut(level), grown.levels.get_mut(level)) else { break };
            tile.extend_from_slice(&hash.0);
            new.extend_from_slice(&hash.0);
            if tile.len() < HASH_SIZE << HEIGHT {
                break;
            }
            // A full tile is one hash of the level above.
            hash = Tile::subtree_hash(tile);
            tile.clear();
        }
        self.size += 1;
    }

    /// The root of the tree.
    pub(super) fn root(&self) -> Result<Hash, TreeError> {
        tree_hash(self.size, self)
    }
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let read = |index: &u64| {
            let tile = Tile::from_index(HEIGHT, *index);
            let hashes = self.levels.get(usize::from(tile.level())).ok_or(TreeError::IndexesNotInTree)?;
            tile.hash_at_index(hashes, *index)
        };
        indexes.iter().map(read).collect()
    }
}
