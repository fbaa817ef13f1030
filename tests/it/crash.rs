//! P7 at its hardest: the store under `kill -9` and under a power cut, again and again, with a list of what was acknowledged.
//!
//! A child process (this test binary, started again) writes from several threads and prints what was acknowledged. The
//! parent ends it in the middle, opens the store and compares. A power cut is simulated as far as a kernel allows: ext4 on
//! a loop device, shut down without flushing its journal. `kill -9` does not find what that finds.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pforte::store::{Batch, Options, Store, Stream};

const CHILD: &str = "PFORTE_CRASH_TEST_FOLDER";
const STREAM: Stream = Stream(b's');
const KILLS: usize = 20;
const POWER_CUTS: usize = 4;

fn options() -> Options {
    // A journal this short is brought to its place many times a second: cuts hit checkpoints, too.
    Options { cache_bytes: 16 << 20, free_bytes_min: 1 << 20, journal_bytes: 256 << 10, ..Options::default() }
}

fn entry(round: &str, thread: u8, n: u32) -> Vec<u8> {
    let mut entry = format!("{round}/{thread}/{n} ").into_bytes();
    // Sizes from a few bytes to what nearly fills a chunk, so that nodes of every size are written.
    entry.resize(entry.len() + [20_usize, 300, 3000, 40_000].into_iter().cycle().nth(n as usize % 4).unwrap(), b'x');
    entry
}

#[expect(clippy::disallowed_methods, reason = "how the parent tells the child that it is one")]
fn told() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// What the child does: not a test of its own, so it passes at once unless it was started as the child.
#[test]
fn child_that_writes_until_it_is_ended() {
    let Some(folder) = told() else { return };
    let (folder, round) = folder.split_once('|').unwrap();
    let store = Store::open(Path::new(folder), &options()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..u32::MAX {
                    let mut batch = Batch::default();
                    let key = format!("k{thread}").into_bytes();
                    batch.put(key, n.to_be_bytes().to_vec());
                    batch.append(STREAM, &entry(round, thread, n));
                    let Ok(positions) = store.commit_blocking(batch) else { return };
                    let line = format!("ack {thread} {n} {} {}\n", positions[0].chunk, positions[0].slot);
                    // One write per line: lines of threads do not mix, and none is half.
                    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

struct Writer(Child);

impl Writer {
    fn start(folder: &Path, round: usize) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_until_it_is_ended", "--nocapture"])
            .env(CHILD, format!("{}|{round}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Reads acknowledgements until there are `enough`, does `cut` at that moment, ends the child, and reads the rest.
    fn until(mut self, enough: usize, cut: impl FnOnce()) -> Vec<[u64; 4]> {
        let mut acks = Vec::new();
        let mut cut = Some(cut);
        for line in BufReader::new(self.0.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            let Some(rest) = line.strip_prefix("ack ") else { continue };
            let numbers: Vec<u64> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
            if let Ok(ack) = numbers.try_into() {
                acks.push(ack);
            }
            if acks.len() == enough {
                if let Some(cut) = cut.take() {
                    cut();
                }
                self.0.kill().unwrap();
            }
        }
        self.0.wait().unwrap();
        acks
    }
}

/// Fails if anything that was acknowledged is not there.
fn compare(store: &Store, round: usize, acks: &[[u64; 4]]) {
    let mut latest: BTreeMap<u64, u64> = BTreeMap::new();
    let mut chunks = BTreeMap::new();
    for chunk in store.chunks(STREAM, 0, usize::MAX).unwrap() {
        chunks.insert(chunk.id, chunk);
    }
    for [thread, n, chunk, slot] in acks {
        let found = chunks.get(chunk).and_then(|c| c.entries.iter().nth(usize::try_from(*slot).unwrap()));
        let expected = entry(&round.to_string(), u8::try_from(*thread).unwrap(), u32::try_from(*n).unwrap());
        assert!(found == Some(expected.as_slice()), "round {round}: the acknowledged entry {thread}/{n} is missing");
        let newest = latest.entry(*thread).or_default();
        *newest = (*newest).max(*n);
    }
    for (thread, n) in latest {
        let value = store.get(format!("k{thread}").as_bytes()).unwrap().unwrap();
        let stored = u64::from(u32::from_be_bytes(value.try_into().unwrap()));
        assert!(stored >= n, "round {round}: key {thread} went back from {n} to {stored}");
    }
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for round in 0..KILLS {
        let acks = Writer::start(folder.path(), round).until(50 + round * 67 % 900, || {});
        assert!(!acks.is_empty(), "the child wrote nothing");
        let store = Store::open(folder.path(), &options()).unwrap();
        compare(&store, round, &acks);
        checked += acks.len();
        let mut batch = Batch::default();
        for chunk in store.chunks(STREAM, 0, usize::MAX).unwrap() {
            batch.drop_chunk(STREAM, chunk.id);
        }
        store.commit_blocking(batch).unwrap();
        store.close().unwrap();
    }
    println!("{KILLS} kills, {checked} acknowledged commits compared, 0 missing");
}

/// A file system of its own that can lose power.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

impl Disk {
    fn new(folder: &Path) -> Result<Self, String> {
        let disk = Self { image: folder.join("disk.img"), mount: folder.join("mnt") };
        std::fs::create_dir_all(&disk.mount).map_err(|e| e.to_string())?;
        let file = std::fs::File::create(&disk.image).map_err(|e| e.to_string())?;
        file.set_len(1 << 30).map_err(|e| e.to_string())?;
        run("mkfs.ext4", &["-q", disk.image.to_str().unwrap()])?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.mount.to_str().unwrap()]).map(drop)
    }

    fn unmount(&self) -> Result<(), String> {
        run("umount", &[self.mount.to_str().unwrap()]).map(drop)
    }

    /// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing reaches the disk, the journal included.
    fn cut(&self) {
        let script = "import fcntl,os,struct,sys\nfcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack('I',2))";
        run("python3", &["-c", script, self.mount.to_str().unwrap()]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Already unmounted where the test went through.
        drop(self.unmount());
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let disk = match Disk::new(folder.path()) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("SKIPPED: a power cut needs root, loop devices and ext4 ({reason})");
            eprintln!("SKIPPED: a power cut needs root, loop devices and ext4 ({reason})");
            return;
        }
    };
    let mut checked = 0;
    for round in 0..POWER_CUTS {
        let data = disk.mount.join("data");
        let acks = Writer::start(&data, round).until(200 + round * 150, || disk.cut());
        disk.unmount().unwrap();
        disk.mount().unwrap();
        let store = Store::open(&data, &options()).unwrap();
        compare(&store, round, &acks);
        checked += acks.len();
        let mut batch = Batch::default();
        for chunk in store.chunks(STREAM, 0, usize::MAX).unwrap() {
            batch.drop_chunk(STREAM, chunk.id);
        }
        store.commit_blocking(batch).unwrap();
        store.close().unwrap();
    }
    println!("{POWER_CUTS} power cuts, {checked} acknowledged commits compared, 0 missing");
    disk.unmount().unwrap();
}
