//! NDJSON files, one per destination and day of receipt (UTC).
//!
//! Exactly once, unless somebody edits the files: the length of each file up to which its events are confirmed is stored in
//! the same commit as the cursor. What a crash left behind that length is cut off before anything is written again.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::clock::{Millis, rfc3339};

/// How many files are remembered besides those of the present window.
const FILES_MAX: usize = 8;
/// How far back the last whole line is looked for; lines are shorter.
const LINE_BYTES_MAX: u64 = 128 * 1024;

/// A file and the length up to which it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    name: String,
    length: u64,
}

/// The files of one destination.
#[derive(Debug)]
pub(in crate::forward) struct Files {
    folder: PathBuf,
    id: String,
    /// Oldest use first.
    known: Vec<Known>,
    /// Lengths after the window that is written and not confirmed.
    written: Vec<Known>,
    open: Option<(String, File)>,
}

impl Files {
    /// Opens the folder, making it (0700) if there is none, and cuts off what was not confirmed.
    pub(in crate::forward) fn open(folder: &Path, id: &str, memo: &[u8]) -> io::Result<Self> {
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let id: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let known = decode(memo).unwrap_or_default();
        let mut files = Self { folder: folder.to_path_buf(), id, known, written: Vec::new(), open: None };
        files.roll_back()?;
        Ok(files)
    }

    /// The file of an event.
    pub(in crate::forward) fn name(&self, received_at: Millis) -> String {
        let day = rfc3339(received_at);
        format!("{}-{}.ndjson", self.id, day.get(..10).unwrap_or("1970-01-01"))
    }

    /// Makes ready for files that are not known yet. What it gives must be durable before anything is written to them,
    /// otherwise a crash could not be told from what stood there before.
    pub(in crate::forward) fn prepare(&mut self, names: &[String]) -> io::Result<Option<Vec<u8>>> {
        let mut fresh = false;
        for name in names {
            match self.known.iter().position(|k| k.name == *name) {
                Some(at) => {
                    let known = self.known.remove(at);
                    self.known.push(known);
                }
                None => {
                    let length = self.adopt(name)?;
                    self.known.push(Known { name: name.clone(), length });
                    fresh = true;
                }
            }
        }
        let surplus = self.known.len().saturating_sub(FILES_MAX + names.len());
        self.known.drain(..surplus);
        Ok(fresh.then(|| encode(&self.known)))
    }

    /// Appends lines to their files and syncs. What it gives must be stored with the cursor.
    pub(in crate::forward) fn write(&mut self, lines: &[(String, &[u8])]) -> io::Result<Vec<u8>> {
        if self.written != self.known {
            self.roll_back()?;
        }
        let mut rest = lines;
        while let Some((name, _)) = rest.first() {
            let same = rest.iter().take_while(|(n, _)| n == name).count();
            let (run, later) = rest.split_at(same);
            self.append(name, run)?;
            rest = later;
        }
        Ok(encode(&self.written))
    }

    /// The commit with what [`Files::write`] gave is durable.
    pub(in crate::forward) fn confirm(&mut self) {
        self.known.clone_from(&self.written);
    }

    fn append(&mut self, name: &str, lines: &[(String, &[u8])]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(lines.iter().map(|(_, line)| line.len() + 1).sum());
        for (_, line) in lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        let file = self.file(name)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        let length = file.metadata()?.len();
        if let Some(known) = self.written.iter_mut().find(|k| k.name == name) {
            known.length = length;
        }
        Ok(())
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let path = self.folder.join(name);
        // A file that was moved away meanwhile gets a successor.
        let stale = self.open.as_ref().is_none_or(|(open, _)| open != name) || !path.exists();
        if stale {
            let is_new = !path.exists();
            let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path)?;
            if is_new {
                File::open(&self.folder)?.sync_all()?;
            }
            self.open = Some((name.to_owned(), file));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or_else(|| io::Error::other("no file is open"))
    }

    /// Cuts off what is not confirmed.
    fn roll_back(&mut self) -> io::Result<()> {
        self.open = None;
        for known in &mut self.known {
            let path = self.folder.join(&known.name);
            let Some(length) = length(&path)? else {
                known.length = 0;
                continue;
            };
            if length > known.length {
                let file = OpenOptions::new().write(true).open(&path)?;
                file.set_len(known.length)?;
                file.sync_data()?;
            } else if length < known.length {
                // Somebody, or the disk, took something away. A line that was cut in two goes as a whole.
                known.length = whole_lines(&path, length)?;
                OpenOptions::new().write(true).open(&path)?.set_len(known.length)?;
            }
        }
        self.written.clone_from(&self.known);
        Ok(())
    }

    /// The length of a file that is not known. What stands in it is somebody's: it is kept, and its last line ended.
    fn adopt(&mut self, name: &str) -> io::Result<u64> {
        let path = self.folder.join(name);
        let Some(length) = length(&path)? else { return Ok(0) };
        if whole_lines(&path, length)? == length {
            return Ok(length);
        }
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        Ok(length + 1)
    }
}

/// The length of a file; `None` if there is none.
fn length(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Up to where a file consists of whole lines.
fn whole_lines(path: &Path, length: u64) -> io::Result<u64> {
    let from = length.saturating_sub(LINE_BYTES_MAX);
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(length - from).read_to_end(&mut tail)?;
    Ok(tail.iter().rposition(|b| *b == b'\n').map_or(from, |at| from + at as u64 + 1))
}

fn encode(files: &[Known]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        let name = file.name.as_bytes().get(..255).unwrap_or(file.name.as_bytes());
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(name);
        out.extend_from_slice(&file.length.to_be_bytes());
    }
    out
}

fn decode(memo: &[u8]) -> Option<Vec<Known>> {
    let (mut files, mut rest) = (Vec::new(), memo);
    while let Some((&length, tail)) = rest.split_first() {
        let (name, tail) = tail.split_at_checked(usize::from(length))?;
        let (bytes, tail) = tail.split_first_chunk::<8>()?;
        files.push(Known { name: String::from_utf8(name.to_vec()).ok()?, length: u64::from_be_bytes(*bytes) });
        rest = tail;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt as _;

    const DAY: &str = "archive-2026-11-24.ndjson";

    fn names(lines: &[(String, &[u8])]) -> Vec<String> {
        let mut names: Vec<String> = lines.iter().map(|(n, _)| n.clone()).collect();
        names.dedup();
        names
    }

    /// What the store remembers, and what the worker has yet to write.
    struct World {
        folder: tempfile::TempDir,
        memo: Vec<u8>,
        cursor: usize,
    }

    impl World {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), memo: Vec::new(), cursor: 0 }
        }

        fn files(&self) -> Files {
            Files::open(&self.folder.path().join("out"), "archive", &self.memo).unwrap()
        }

        fn text(&self, name: &str) -> String {
            std::fs::read_to_string(self.folder.path().join("out").join(name)).unwrap_or_default()
        }
    }

    proptest! {
        #[test]
        fn over_any_crashes_each_event_is_there_once_and_in_order(
            // Per round: how many events are written, on how many days, and where the process dies.
            rounds in proptest::collection::vec((1_usize..6, 1_u8..4, 0_u8..5), 1..25),
        ) {
            let mut world = World::new();
            let mut files = world.files();
            let mut expected: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
            for (events, days, death) in rounds {
                let bodies: Vec<Vec<u8>> = (0..events).map(|n| format!("{{\"n\":{}}}", world.cursor + n).into_bytes()).collect();
                let lines: Vec<(String, &[u8])> = bodies
                    .iter()
                    .enumerate()
                    .map(|(n, body)| (files.name(Millis::from(u8::try_from(n).unwrap() % days) * 86_400_000), body.as_slice()))
                    .collect();
                if let Some(memo) = files.prepare(&names(&lines)).unwrap() {
                    world.memo = memo;
                }
                let memo = files.write(&lines).unwrap();
                match death {
                    // Dies before the commit: what was written must not be there twice after the next round.
                    0 | 1 => files = world.files(),
                    // The commit fails, the process lives.
                    2 => {}
                    _ => {
                        world.memo = memo;
                        world.cursor += events;
                        for (name, line) in &lines {
                            let text = expected.entry(name.clone()).or_default();
                            text.push_str(std::str::from_utf8(line).unwrap());
                            text.push('\n');
                        }
                        // Dies between the commit and hearing of it, or goes on.
                        if death == 3 { files = world.files() } else { files.confirm() }
                    }
                }
            }
            drop(world.files());
            for (name, text) in &expected {
                prop_assert_eq!(&world.text(name), text);
            }
        }
    }

    #[test]
    fn the_folder_and_its_files_are_for_us_alone() {
        let world = World::new();
        let mut files = world.files();
        files.prepare(&[String::from(DAY)]).unwrap();
        files.write(&[(String::from(DAY), b"{}")]).unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(world.folder.path().join("out")), 0o700);
        assert_eq!(mode(world.folder.path().join("out").join(DAY)), 0o600);
    }

    #[test]
    fn a_line_that_was_cut_in_two_is_taken_away_before_the_next_is_written() {
        let mut world = World::new();
        let mut files = world.files();
        files.prepare(&[String::from(DAY)]).unwrap();
        world.memo = files.write(&[(String::from(DAY), b"{\"n\":1}"), (String::from(DAY), b"{\"n\":2}")]).unwrap();
        let path = world.folder.path().join("out").join(DAY);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(12).unwrap();
        let mut files = world.files();
        files.write(&[(String::from(DAY), b"{\"n\":3}")]).unwrap();
        assert_eq!(world.text(DAY), "{\"n\":1}\n{\"n\":3}\n");
    }

    #[test]
    fn a_file_that_somebody_else_began_is_kept() {
        let world = World::new();
        let mut files = world.files();
        std::fs::write(world.folder.path().join("out").join(DAY), "a note").unwrap();
        files.prepare(&[String::from(DAY)]).unwrap();
        files.write(&[(String::from(DAY), b"{}")]).unwrap();
        assert_eq!(world.text(DAY), "a note\n{}\n");
    }

    #[test]
    fn a_file_that_was_moved_away_gets_a_successor() {
        let world = World::new();
        let mut files = world.files();
        files.prepare(&[String::from(DAY)]).unwrap();
        files.write(&[(String::from(DAY), b"{\"n\":1}")]).unwrap();
        files.confirm();
        std::fs::rename(world.folder.path().join("out").join(DAY), world.folder.path().join("out/old")).unwrap();
        files.write(&[(String::from(DAY), b"{\"n\":2}")]).unwrap();
        assert_eq!(world.text(DAY), "{\"n\":2}\n");
    }
}
