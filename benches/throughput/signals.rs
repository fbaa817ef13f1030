//! What the evidence of consent costs on an event's way: a signal that the browser sends, a consent object in the event, preferences that the
//! destination gets. Each next to the same load without it, in turns in one run: read the ratios of CPU.

use std::path::Path;
use std::process::Command;

use crate::server::Server;
use crate::{Outcome, drive, number};

/// How often each load takes its turn.
const TURNS: usize = 3;
/// What may come with an event.
const BESIDES: [(&str, &str); 3] = [("nothing", ""), ("the signal", "+gpc"), ("a consent object", "+object")];

pub(crate) fn run(args: &[String]) {
    let (subjects, seconds) = (number(args, "--subjects", 20_000), number(args, "--seconds", 5));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let policies = crate::copy_policies(folder.path());
    let mut ours = crate::pinned(0, Path::new(env!("CARGO_BIN_EXE_pforte")));
    ours.current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "error"]);
    let mut gate = Server::start(ours);
    println!("{subjects} people, {TURNS} turns of {seconds} s; gateway on core 0, load on core 1");
    drive(&gate, "consent", 3600, (subjects, 0));
    gate.authorization = Some(secret(folder.path()));
    drive(&gate, "prefer", 3600, (subjects, 0));
    gate.authorization = None;

    let mut salt = 0;
    let mut turn = |gate: &Server, kind: &str| {
        salt += crate::MESSAGES;
        drive(gate, kind, seconds, (subjects, salt))
    };
    gate.delivers = true;
    let without = std::fs::read_to_string(policies.join("destinations.toml")).unwrap();
    let fields = "fields = [\"properties.*\", ";
    let with = without.replacen(fields, &format!("{fields}\"preferences.favourite_colour\", \"preferences.bottle_budget\", "), 1);
    assert_ne!(without, with);
    for kind in ["single", "batch"] {
        println!("all the way, {kind}: the profile store gets");
        let mut sums = [Sum::default(), Sum::default()];
        for _ in 0..TURNS {
            // The other one is in force each time: the shipped one at first.
            for (sum, destinations) in sums.iter_mut().zip([&with, &without]) {
                crate::put_in_force(&gate, &policies, destinations);
                sum.add(&turn(&gate, kind));
            }
        }
        let [preferences, none] = &sums;
        none.print("events", none);
        preferences.print("events and preferences", none);
    }

    gate.delivers = false;
    crate::take_destinations_down(&gate, &policies);
    for kind in ["single", "batch"] {
        println!("way in, {kind}: with each event comes");
        let mut sums = BESIDES.map(|_| Sum::default());
        for _ in 0..TURNS {
            for (sum, (_, besides)) in sums.iter_mut().zip(BESIDES) {
                sum.add(&turn(&gate, &format!("{kind}{besides}")));
            }
        }
        for (sum, (name, _)) in sums.iter().zip(BESIDES) {
            sum.print(name, &sums[0]);
        }
    }
}

/// A key that may state preferences.
fn secret(folder: &Path) -> String {
    let mut create = Command::new(env!("CARGO_BIN_EXE_pforte"));
    create.current_dir(folder).args(["key", "create", "--source", "service", "--scope", "preferences:write"]);
    let output = create.output().unwrap();
    format!("Bearer {}", String::from_utf8(output.stdout).unwrap().lines().next().unwrap())
}

/// The turns of one load.
#[derive(Default)]
struct Sum {
    cpu_us: f64,
    events_s: f64,
    turns: f64,
}

impl Sum {
    fn add(&mut self, turn: &Outcome) {
        self.cpu_us += turn.cpu_us;
        self.events_s += turn.events_s;
        self.turns += 1.0;
    }

    fn print(&self, name: &str, plain: &Self) {
        println!(
            "  {name:<24} {:>9.0} ev/s  cpu {:>6.2} us/ev  cpu to nothing {:.2}",
            self.events_s / self.turns,
            self.cpu_us / self.turns,
            self.cpu_us / plain.cpu_us
        );
    }
}
