//! Names of tiles and of bundles of entries, as C2SP `tlog-tiles` writes them.

use tlog_tiles::Tile as TreeTile;

/// The height of a tile, as the specification fixes it.
pub(super) const HEIGHT: u8 = 8;
/// How many hashes a full tile has.
pub(super) const WIDTH: u64 = 1 << HEIGHT;
/// How long an entry is in a bundle: two bytes of length, and a commitment.
pub(super) const ENTRY_BYTES: usize = 34;
/// No tree that fits on a disk has more levels of tiles.
const LEVELS_MAX: u8 = 7;

/// A tile of hashes, or a bundle of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile(TreeTile);

impl Tile {
    /// Reads `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        // What the library would not take well.
        if rest.ends_with(".p/0") || rest.is_empty() {
            return None;
        }
        let level = match level {
            "entries" => String::from("data"),
            digits => digits.parse::<u8>().ok().filter(|level| *level < LEVELS_MAX)?.to_string(),
        };
        let tile = TreeTile::from_path(&format!("tile/{HEIGHT}/{level}/{rest}")).ok()?;
        // Neither numbers that overflow, nor a second way to write the same.
        let tile = Self(tile);
        (tile.0.level_index() < 1 << 40 && tile.path() == format!("tile/{path}")).then_some(tile)
    }

    /// Where it is found, below the log's address.
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.0.path();
        match path.split('/').nth(2) {
            Some("data") => path.replacen("tile/8/data/", "tile/entries/", 1),
            _ => path.replacen("tile/8/", "tile/", 1),
        }
    }

    /// The level; none for a bundle of entries.
    #[must_use]
    pub fn level(&self) -> Option<u8> {
        (!self.0.is_data()).then(|| self.0.level())
    }

    /// The number of its first hash within the level, or of its first entry.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.0.level_index() * WIDTH
    }

    /// How many hashes or entries it has.
    #[must_use]
    pub fn width(&self) -> u64 {
        u64::from(self.0.width())
    }

    /// Whether it is full, so that it never changes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width() == WIDTH
    }

    /// Whether a tree of this size has it.
    #[must_use]
    pub fn is_in(&self, size: u64) -> bool {
        self.first() + self.width() <= size >> (HEIGHT * self.0.level())
    }

    /// All tiles and bundles of a tree of this size, bundles first, from left to right.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let bundles = Self::of_level(0, size, true);
        bundles.chain((0..LEVELS_MAX).flat_map(move |level| Self::of_level(level, size >> (HEIGHT * level), false)))
    }

    /// The bundle of entries that has the entry `first` of a tree of this size.
    #[must_use]
    pub fn bundle(first: u64, size: u64) -> Self {
        Self::at(0, first / WIDTH, size, true)
    }

    /// The same hashes as a full tile: where a part of it is found once the tree has grown.
    #[must_use]
    pub fn filled(&self) -> Self {
        Self(TreeTile::new(HEIGHT, self.0.level(), self.0.level_index(), 1 << HEIGHT, self.0.is_data()))
    }

    /// The tile of this number on a level that has so many hashes.
    pub(super) fn of(level: u8, number: u64, count: u64) -> Self {
        Self::at(level, number, count, false)
    }

    fn of_level(level: u8, count: u64, entries: bool) -> impl Iterator<Item = Self> {
        (0..count.div_ceil(WIDTH)).map(move |number| Self::at(level, number, count, entries))
    }

    fn at(level: u8, number: u64, count: u64, entries: bool) -> Self {
        let width = (count - number * WIDTH).min(WIDTH);
        Self(TreeTile::new(HEIGHT, level, number, u32::try_from(width).unwrap_or(1 << HEIGHT), entries))
    }
}
