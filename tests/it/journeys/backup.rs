//! A backup while everything goes on, and a gateway somewhere else that is made from it.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::people::{Person, basic, send};
use crate::harness::{Gateway, project};

const ALL: [(&str, &str); 2] = [("analytics", "granted"), ("personalization", "granted")];
const PHRASE: &[&str] = &["--passphrase-file", "phrase"];

fn gateway() -> Gateway {
    let gateway = Gateway::start();
    std::fs::write(gateway.path("phrase"), "ein langer Satz fuer die Schluessel\n").unwrap();
    gateway
}

/// A place where nothing is but the passphrase.
fn elsewhere() -> Gateway {
    let gateway = Gateway::idle(&project().join("policies"), &[]);
    std::fs::write(gateway.path("phrase"), "ein langer Satz fuer die Schluessel\n").unwrap();
    gateway
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn does(gateway: &Gateway, args: &[&str]) -> String {
    let output = gateway.command(&[args, PHRASE].concat());
    assert!(output.status.success(), "{args:?}: {}", words(&output));
    words(&output)
}

fn refused(gateway: &Gateway, args: &[&str], why: &str) {
    let output = gateway.command(&[args, PHRASE].concat());
    assert!(!output.status.success(), "{args:?}: {}", words(&output));
    assert!(words(&output).contains(why), "{args:?}: {}", words(&output));
}

fn bring(from: &Gateway, to: &Gateway, names: &[&str]) {
    for name in names {
        std::fs::copy(from.path(name), to.path(name)).unwrap();
    }
}

/// What stands for somebody's device.
fn standing(gateway: &Gateway, person: &Person) -> Value {
    let path = format!("/v1/consents?anonymousId={}", person.device);
    gateway.get(&path, &basic("wk_web")).json()["decisions"].clone()
}

fn is_granted(gateway: &Gateway, person: &Person) -> bool {
    standing(gateway, person).to_string().contains("granted")
}

fn figure(gateway: &Gateway, name: &str) -> Option<u64> {
    let metrics = gateway.get("/metrics", "").text;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

const RESTORE: &[&str] = &["restore", "--from", "data.backup", "--keys-from", "keys.backup"];

#[test]
fn everything_that_was_acknowledged_is_there_again_elsewhere() {
    let gateway = gateway();
    assert_eq!(figure(&gateway, "pforte_backup_age_seconds"), None);
    let early: Vec<Person> = (0..20).map(|n| Person::new(&format!("frueh{n}"))).collect();
    for person in &early {
        person.decides(&gateway, &ALL);
        send(&gateway, "wk_web", &[person.does("Product Viewed")]);
    }
    gateway.drain();
    let policies = project().join("policies");
    let made = gateway.command(&["key", "create", "--source", "service", "--policies", policies.to_str().unwrap()]);
    let secret = format!("Bearer {}", words(&made).lines().next().unwrap());
    let (over, late) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    let before = std::thread::scope(|scope| {
        for n in 0..3 {
            let (gateway, over, late) = (&gateway, &over, &late);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let person = Person::new(&format!("spaet{n}"));
                    person.decides(gateway, &ALL);
                    send(gateway, "wk_web", &[person.does("Product Viewed")]);
                    late.lock().unwrap().push(person);
                }
            });
        }
        gateway.wait_for("some load", || (late.lock().unwrap().len() > 20).then_some(()));
        let before = late.lock().unwrap().len();
        let said = does(&gateway, &["backup", "--to", "data.backup", "--keys-to", "keys.backup"]);
        over.store(true, Ordering::SeqCst);
        assert!(said.contains("sound") && said.contains("same moment"), "{said}");
        before
    });
    // What came while it was made may be in it or not.
    late.lock().unwrap().truncate(before);
    assert!(figure(&gateway, "pforte_backup_age_seconds").is_some_and(|age| age < 60));
    refused(&gateway, &["backup", "--to", "data.backup"], "there already");

    let mut other = elsewhere();
    bring(&gateway, &other, &["data.backup", "keys.backup"]);
    refused(&other, RESTORE, "--shredded");
    let said = does(&other, &[RESTORE, &["--shredded", "keys.backup"]].concat());
    assert!(said.contains("withdrawals"), "{said}");
    refused(&other, &[RESTORE, &["--shredded-lost"]].concat(), "not empty");
    other.run();
    for person in early.iter().chain(&*late.lock().unwrap()) {
        assert_eq!(standing(&other, person), standing(&gateway, person));
        assert!(is_granted(&other, person));
    }
    let denied = json!({"anonymousId": early[0].device, "method": "portal", "decisions": {"analytics": "denied"}});
    let answer = other.post("/v1/consents", &secret, denied.to_string().as_bytes());
    assert_eq!(answer.status, 201, "secret keys are there as well: {}", answer.text);
    let events = figure(&other, "pforte_profile_events").unwrap();
    assert!(events >= early.len() as u64, "{events}");
    other.drain();
    other.stop();
    assert!(does(&other, &["backup", "check", "data.backup"]).contains("same moment"));
}

#[test]
fn a_backup_of_a_stopped_gateway_is_the_same_and_a_key_held_outside_needs_no_passphrase() {
    let mut gateway = gateway();
    let person = Person::new("erika");
    person.decides(&gateway, &ALL);
    gateway.stop();
    std::fs::write(gateway.path("new.key"), "5".repeat(64)).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(gateway.path("new.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let plain = |gateway: &Gateway, args: &[&str]| {
        let output = gateway.command(args);
        (output.status.success(), words(&output))
    };
    let (ok, said) = plain(&gateway, &["backup", "keys", "--to", "keys.backup"]);
    assert!(!ok && said.contains("passphrase"), "{said}");
    let outside = ["--master-key-file", "new.key"];
    assert!(plain(&gateway, &["keys", "rotate", "master", "--new-file", "new.key"]).0);
    let (ok, said) = plain(&gateway, &[&["backup", "--to", "data.backup", "--keys-to", "keys.backup"], &outside[..]].concat());
    assert!(ok, "{said}");
    let other = elsewhere();
    bring(&gateway, &other, &["data.backup", "keys.backup", "new.key"]);
    let (ok, said) = plain(&other, &[RESTORE, &["--shredded-lost"], &outside[..]].concat());
    assert!(ok && said.contains("WITHOUT A LATER LIST"), "{said}");
    assert!(!other.path("keys/master.key").exists());
    // Back to a key in the folder, so that both can be started.
    for gateway in [&gateway, &other] {
        let (ok, said) = plain(gateway, &[&["keys", "rotate", "master"], &outside[..]].concat());
        assert!(ok, "{said}");
    }
    let (mut gateway, mut other) = (gateway, other);
    gateway.run();
    other.run();
    assert_eq!(standing(&other, &person), standing(&gateway, &person));
    assert!(is_granted(&other, &person));
}

#[test]
fn what_does_not_fit_is_refused_with_words_and_nothing_is_written() {
    let mut gateway = gateway();
    let person = Person::new("erika");
    person.decides(&gateway, &ALL);
    does(&gateway, &["backup", "--to", "data.backup", "--keys-to", "keys.backup"]);
    let whole = std::fs::read(gateway.path("data.backup")).unwrap();
    let shift = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(gateway.path(name), bytes).unwrap();
    };
    shift("cut", &|bytes| bytes.truncate(whole.len() - 1));
    shift("half", &|bytes| bytes.truncate(whole.len() / 2));
    shift("flipped", &|bytes| bytes[whole.len() / 3] ^= 1);
    shift("more", &|bytes| bytes.push(0));
    shift("other", &|bytes| bytes[20] ^= 1);
    let other = gateway_with_other_keys();
    for (name, why) in
        [("cut", "end"), ("half", ""), ("flipped", "changed"), ("more", ""), ("other", ""), ("phrase", "not a backup")]
    {
        refused(&gateway, &["backup", "check", name], why);
        let restore =
            ["restore", "--from", name, "--keys-from", "keys.backup", "--shredded-lost", "--data", "d2", "--keys", "k2"];
        refused(&gateway, &restore, why);
    }
    refused(&gateway, &["backup", "check", "nothing"], "nothing");
    refused(&gateway, &["restore", "--from", "keys.backup", "--data", "d2"], "backup of keys");
    bring(&gateway, &other, &["data.backup", "keys.backup"]);
    refused(&other, &["backup", "check", "data.backup"], "another master key");
    refused(&other, &["restore", "--from", "data.backup", "--data", "d2"], "another master key");
    std::fs::write(gateway.path("wrong"), "ein anderer langer Satz").unwrap();
    let wrong = ["backup", "check", "keys.backup", "--passphrase-file", "wrong"];
    let output = gateway.command(&wrong);
    assert!(!output.status.success() && words(&output).contains("another passphrase"), "{}", words(&output));
    // Into the key folder of somebody else.
    refused(&other, &[RESTORE, &["--shredded-lost", "--data", "d2"]].concat(), "another one than in the backup");
    for gateway in [&gateway, &other] {
        assert!(!gateway.path("d2").exists() && !gateway.path("k2").exists());
    }
    gateway.stop();
}

/// A gateway that has keys of its own and never ran here.
fn gateway_with_other_keys() -> Gateway {
    let mut other = gateway();
    other.stop();
    other
}

#[test]
fn a_backup_that_is_cut_off_leaves_nothing_under_its_name() {
    let mut gateway = gateway();
    fill(&gateway, 30);
    let mut found_half = 0;
    for round in 0..6_u64 {
        let name = format!("b{round}.backup");
        let part = gateway.path(&format!(".{name}.part"));
        let mut child = gateway.begin(&["backup", "--to", &name]);
        let begun = |path: &Path| std::fs::metadata(path).is_ok_and(|meta| meta.len() >= round * 40_000);
        gateway.wait_for("the backup to be under way", || (begun(&part) || child.try_wait().unwrap().is_some()).then_some(()));
        if round == 5 {
            gateway.crash();
        } else {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if gateway.path(&name).exists() {
            does(&gateway, &["backup", "check", &name]);
            if round < 4 {
                // A busy machine saw it too late: the next one takes longer.
                fill(&gateway, 60);
            }
        } else {
            found_half += 1;
        }
    }
    assert!(found_half > 0, "none was cut off: the test tests nothing");
    does(&gateway, &["backup", "--to", "b0.again.backup"]);
}

fn fill(gateway: &Gateway, batches: usize) -> Person {
    let person = Person::new("erika");
    person.decides(gateway, &ALL);
    for _ in 0..batches {
        send(gateway, "wk_web", &(0..100).map(|_| person.does("Product Viewed")).collect::<Vec<Value>>());
    }
    gateway.drain();
    person
}

#[test]
fn a_restore_that_is_cut_off_does_not_open_and_is_done_again() {
    let gateway = gateway();
    let person = fill(&gateway, 30);
    does(&gateway, &["backup", "--to", "data.backup", "--keys-to", "keys.backup"]);
    let mut other = elsewhere();
    bring(&gateway, &other, &["data.backup", "keys.backup"]);
    let restore = [RESTORE, &["--shredded-lost"], PHRASE].concat();
    let mut half = 0;
    for place in [
        "data",
        "data/RESTORING",
        "data/store/db",
        "data/streams",
        "data/streams/54",
        "data/keys.d",
        "keys/roots",
        "keys/shredded",
    ] {
        let mut child = other.begin(&restore);
        let there = other.path(place);
        other.wait_for("the restore to get there", || (there.exists() || child.try_wait().unwrap().is_some()).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        if other.path("data/RESTORING").exists() {
            half += 1;
            refused(&other, &["store", "verify"], "");
            let output =
                other.command(&["serve", "--listen", "127.0.0.1:0", "--policies", project().join("policies").to_str().unwrap()]);
            assert!(!output.status.success() && words(&output).contains("do it again"), "{}", words(&output));
        } else {
            // It was faster; the next one begins from nothing.
            drop(std::fs::remove_dir_all(other.path("data")));
        }
    }
    assert!(half > 0, "none was cut off: the test tests nothing");
    let done = other.command(&restore);
    assert!(done.status.success(), "{}", words(&done));
    other.run();
    assert!(is_granted(&other, &person));
    assert_eq!(figure(&other, "pforte_profile_events"), figure(&gateway, "pforte_profile_events"));
}
