//! P7 on a disk that is really full: a small file system of its own under the data folder, filled to the last byte.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, basic, id, send};

/// A file system in memory that stands under the data folder.
struct Disk {
    data: PathBuf,
    aside: PathBuf,
}

fn run(program: &str, args: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

impl Disk {
    /// Moves the data folder onto it.
    fn under(data: &Path) -> Result<Self, String> {
        let disk = Self { data: data.to_path_buf(), aside: data.with_extension("aside") };
        run("cp", &[Path::new("-a"), data, &disk.aside])?;
        run(
            "mount",
            &["-t", "tmpfs", "-o", "size=160m,mode=0700", "none"].map(Path::new).into_iter().chain([data]).collect::<Vec<_>>(),
        )?;
        run("cp", &[Path::new("-a"), &disk.aside.join("."), data])?;
        std::fs::remove_dir_all(&disk.aside).map_err(|error| error.to_string())?;
        Ok(disk)
    }

    /// Fills it until not one byte more fits.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.data.join("ballast")).unwrap();
        let piece = vec![7_u8; 1 << 16];
        while ballast.write_all(&piece).is_ok() {}
        while ballast.write_all(&[7]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.data.join("ballast")).unwrap();
    }

    /// Moves the data folder back to where it was.
    fn leave(self) {
        run("cp", &[Path::new("-a"), &self.data, &self.aside]).unwrap();
        run("umount", &[&self.data]).unwrap();
        run("cp", &[Path::new("-a"), &self.aside.join("."), &self.data]).unwrap();
        std::fs::remove_dir_all(&self.aside).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where the test went through it is unmounted already.
        drop(run("umount", &[Path::new("-l"), &self.data]));
    }
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_and_it_goes_on_when_there_is_room() {
    let mut gateway = Gateway::start();
    let person = Person::new("erika");
    person.decides(&gateway, &[("analytics", "granted")]);
    gateway.stop();
    let disk = match Disk::under(&gateway.path("data")) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("SKIPPED: a full disk needs root and a file system of its own ({reason})");
            eprintln!("SKIPPED: a full disk needs root and a file system of its own ({reason})");
            return;
        }
    };
    gateway.restart();
    let events = |count: usize| (0..count).map(|_| person.does("Product Viewed")).collect::<Vec<_>>();
    let before = events(40);
    assert_eq!(send(&gateway, "wk_web", &before)["accepted"], 40);

    disk.fill();
    let refused = events(10);
    for _ in 0..3 {
        let body = serde_json::json!({ "batch": refused }).to_string();
        let answer = gateway.post("/v1/batch", &basic("wk_web"), body.as_bytes());
        assert!(matches!(answer.status, 429 | 503), "{} {}", answer.status, answer.text);
        let seconds: u32 = answer.header("Retry-After").and_then(|value| value.parse().ok()).unwrap();
        assert!(seconds > 0);
    }
    let body = br#"{"anonymousId":"somebody-else","method":"banner","decisions":{"analytics":"granted"}}"#;
    assert_eq!(gateway.post("/v1/consents", &basic("wk_app"), body).status, 503);
    assert_eq!(gateway.get("/healthz", "").status, 200);

    disk.make_room();
    assert_eq!(send(&gateway, "wk_web", &refused)["accepted"], 10, "what was refused is taken when it is sent again");
    gateway.crash();
    let arrived = arrived(&gateway);
    let unique: BTreeSet<String> = arrived.iter().cloned().collect();
    assert_eq!(unique, before.iter().chain(&refused).map(id).collect(), "all that was acknowledged, and nothing else");
    assert_eq!(arrived.len(), unique.len(), "and once");
    gateway.stop();
    disk.leave();
}
