//! The walls of the house, read off the source: who may import whom, who may connect out, how large a file may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. A room imports only from floors below its own; rooms of one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["clock", "id", "error", "limit", "password", "private"],
    &["store", "texts"],
    &["vault"],
    &["ledger", "backup", "audit", "session"],
    &["officers"],
    &["policy"],
    &["events", "chronicle"],
    &["identity"],
    &["consent"],
    &["gate"],
    &["egress"],
    &["mail", "witness"],
    &["confirmation"],
    &["outbox", "access"],
    &["profile"],
    &["preferences"],
    &["intake", "forward"],
    &["rights"],
    &["retention", "portal", "banner", "console"],
];

/// Not rooms but the frame: they hold the rooms together and may know all of them. Rooms reach up to them in `http.rs` alone.
const FRAME: &[&str] = &["app", "auth", "cli", "config", "lib", "main", "routes", "server", "site", "stream", "telemetry"];

/// No file is longer than this, tests included. 400 is where to look for a second idea.
const LINES_MAX: usize = 600;

struct File {
    path: PathBuf,
    room: String,
    name: String,
    text: String,
}

impl File {
    /// Handlers stand in `http.rs`, or in a folder of that name.
    fn is_http(&self) -> bool {
        self.path.iter().any(|part| part == "http.rs" || part == "http")
    }

    fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests.rs" || part == "tests")
    }
}

fn sources() -> Vec<File> {
    fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(&root).unwrap();
            let room = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let name = inner.file_name().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            File { path: inner.to_path_buf(), room, name, text }
        })
        .collect()
}

/// What a file imports from the crate: `crate::room::…` anywhere but in comments.
fn imports(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for piece in code.split("crate::").skip(1) {
            let path: String = piece.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            found.push((at + 1, path.split("::").map(str::to_owned).collect()));
        }
        if code.contains("crate::{") {
            found.push((at + 1, vec![String::from("{several}")]));
        }
    }
    found
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn complain(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn every_folder_and_file_is_a_known_room() {
    let unknown: Vec<String> = sources()
        .iter()
        .filter(|f| floor(&f.room).is_none() && !FRAME.contains(&f.room.as_str()))
        .map(|f| format!("{}: which floor is this room on?", f.path.display()))
        .collect();
    complain(&unknown);
}

#[test]
fn imports_go_down_and_never_in_circles() {
    let mut findings = Vec::new();
    for file in sources() {
        let Some(own) = floor(&file.room) else { continue };
        for (line, path) in imports(&file.text) {
            let other = path.first().unwrap().as_str();
            let at = format!("{}:{line}", file.path.display());
            if other == file.room || file.is_test() {
                continue;
            }
            match floor(other) {
                Some(below) if below < own => {}
                Some(_) => findings.push(format!("{at}: `{}` may not know `{other}`", file.room)),
                None if FRAME.contains(&other) && file.is_http() => {}
                None => findings.push(format!("{at}: `crate::{other}` is not below `{}`", file.room)),
            }
        }
    }
    complain(&findings);
}

#[test]
fn no_room_touches_the_records_or_handlers_of_another() {
    let mut findings = Vec::new();
    for file in sources() {
        for (line, path) in imports(&file.text) {
            let (Some(other), Some(inner)) = (path.first(), path.get(1)) else { continue };
            let frame = FRAME.contains(&file.room.as_str());
            if *other != file.room && (inner == "record" || (inner == "http" && !frame)) {
                findings.push(format!("{}:{line}: `{other}::{inner}` belongs to `{other}` alone", file.path.display()));
            }
        }
    }
    complain(&findings);
}

#[test]
fn handlers_do_not_touch_the_store() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| f.is_http()) {
        for (line, path) in imports(&file.text) {
            if path.first().is_some_and(|p| p == "store") {
                findings.push(format!("{}:{line}: a handler calls its room, not the store", file.path.display()));
            }
        }
    }
    complain(&findings);
}

#[test]
fn pure_files_read_no_clock_and_do_no_input_or_output() {
    let pure = |f: &File| {
        !f.is_test()
            && (f.room == "gate" || ["decide.rs", "merge.rs", "deadline.rs", "lint.rs", "compile.rs"].contains(&f.name.as_str()))
    };
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| pure(f)) {
        for (at, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["Clock", "crate::store", "std::fs", "TcpStream", "UdpSocket", "tokio::", "Chance", "std::env"] {
                if code.contains(word) {
                    findings.push(format!("{}:{}: a pure file uses `{word}`", file.path.display(), at + 1));
                }
            }
        }
    }
    complain(&findings);
}

#[test]
fn only_one_file_connects_out_and_only_one_reads_the_environment() {
    let mut findings = Vec::new();
    for file in sources() {
        let path = file.path.display().to_string();
        for (at, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if ["reqwest::", "lettre::transport", "SmtpTransport"].iter().any(|out| code.contains(out)) && file.room != "egress" {
                findings.push(format!("{path}:{}: only egress connects out", at + 1));
            }
            if (code.contains("env::var") || code.contains("env = \"")) && path != "config.rs" {
                findings.push(format!("{path}:{}: only config.rs reads the environment", at + 1));
            }
            if code.contains("sled::") && file.room != "store" {
                findings.push(format!("{path}:{}: only store/sled.rs knows the engine", at + 1));
            }
        }
    }
    complain(&findings);
}

#[test]
fn every_table_and_stream_has_a_tag_of_its_own() {
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| f.name != "tests.rs" && f.room != "store") {
        for (at, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for marker in ["Table::new(b'", "Stream = Stream(b'"] {
                let Some(tag) = code.split(marker).nth(1).and_then(|rest| rest.chars().next()) else { continue };
                let place = format!("{}:{}", file.path.display(), at + 1);
                if let Some(first) = tags.insert(tag.to_string(), place.clone()) {
                    findings.push(format!("{place}: tag '{tag}' is taken by {first}"));
                }
            }
        }
    }
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DATA-MAP.md")).unwrap();
    for (tag, place) in &tags {
        if !map.contains(&format!("| `{tag}` |")) {
            findings.push(format!("{place}: table '{tag}' is missing in docs/DATA-MAP.md"));
        }
    }
    assert!(tags.len() >= 8, "the test no longer recognises the tables: {tags:?}");
    complain(&findings);
}

#[test]
fn no_file_is_longer_than_an_idea() {
    let long: Vec<String> = sources()
        .iter()
        .map(|f| (f, f.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(f, lines)| format!("{}: {lines} lines", f.path.display()))
        .collect();
    complain(&long);
}

#[test]
fn nothing_is_left_for_later() {
    let mut findings = Vec::new();
    for file in sources() {
        for (at, line) in file.text.lines().enumerate() {
            if ["TO\x44O", "FIX\x4dE", "XX\x58"].iter().any(|word| line.contains(word)) {
                findings.push(format!("{}:{}: {}", file.path.display(), at + 1, line.trim()));
            }
        }
    }
    complain(&findings);
}
