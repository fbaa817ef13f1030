//! Runs the cases of a policy through the real rooms, over a store in memory.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::{Chance, Clock, DAY_MS, Millis};
use crate::consent::{Besides, Consents, Method, Order};
use crate::events::Event;
use crate::events::parse;
use crate::gate::explain::{DestinationExplanation, Outcome};
use crate::identity::{self, Admission, Directory};
use crate::intake::Intake;
use crate::policy::cases::{Answer, Case, Expectation};
use crate::policy::{self, Policy};
use crate::store::{Batch, Store};
use crate::vault::Vault;

/// Runs all cases of the policy in a folder.
///
/// # Errors
/// When policy or cases cannot be read.
#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
pub(super) fn run(policies: &Path) -> anyhow::Result<ExitCode> {
    let lines = |list: Vec<String>| anyhow::anyhow!("{}", list.join("\n"));
    let policy = policy::load(policies).map_err(|findings| lines(findings.iter().map(ToString::to_string).collect()))?;
    let policy = Arc::new(policy);
    let cases = policy::cases::load(policies).map_err(lines)?;
    let (mut passed, mut failed) = (0, 0);
    for (file, case) in &cases {
        match outcome(&policy, case) {
            Ok(wrong) if wrong.is_empty() => {
                passed += 1;
                println!("ok    {}", case.name);
            }
            Ok(wrong) => {
                failed += 1;
                println!("FAIL  {} ({file})", case.name);
                wrong.iter().for_each(|line| println!("      {line}"));
            }
            Err(error) => {
                failed += 1;
                println!("FAIL  {} ({file})\n      {error:#}", case.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rooms that decide, with nothing in them.
struct Rooms {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    intake: Intake,
    clock: Clock,
    _keys: Scratch,
}

/// A folder for keys that goes with the case.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the keys of a case could not be removed");
        }
    }
}

impl Rooms {
    fn open(policy: &Policy) -> anyhow::Result<Self> {
        let (clock, chance, store) = (Clock::system(), Chance::system(), Store::memory());
        let keys = Scratch(std::env::temp_dir().join(format!("pforte-case-{}", hex::encode(chance.bytes::<8>()?))));
        let vault = Arc::new(Vault::open(&keys.0, &store, &chance)?);
        let directory = Arc::new(Directory::open(&store, &vault)?);
        let consents = Arc::new(Consents::open(&store, &vault, &directory, policy)?);
        let intake = Intake::open(&store, &vault, &directory, &consents, &clock)?;
        Ok(Self { store, vault, directory, consents, intake, clock, _keys: keys })
    }

    /// Makes known who belongs together, as an event would that may be kept.
    fn tell(&self, policy: &Policy, event: &Event<'_>, at: Millis) -> anyhow::Result<()> {
        let stated = identity::extract(event, policy, &self.vault);
        let chance = Chance::system();
        let context = Admission { vault: &self.vault, policy, chance: &chance, at };
        let mut batch = Batch::default();
        let plan = self.directory.admit(&stated.identifiers, &context, &mut batch)?;
        self.store.commit_blocking(batch)?;
        self.directory.learn(&plan);
        Ok(())
    }
}

/// What does not hold of a case.
fn outcome(policy: &Arc<Policy>, case: &Case) -> anyhow::Result<Vec<String>> {
    let rooms = Rooms::open(policy)?;
    let now = rooms.clock.now();
    let (source, _) = policy.source(&case.source).with_context(|| format!("there is no source `{}`", case.source))?;
    for decided in &case.decided {
        let order = order(policy, &rooms, source, decided, now)?;
        wait_for(rooms.consents.record(order))?;
    }
    for before in &case.before {
        let text = raw(before)?;
        let told = parse::alone(&text, now).map_err(|r| anyhow::anyhow!("{}: {}", r.field, r.message))?;
        rooms.tell(policy, &told, now)?;
    }
    let text = raw(&case.event)?;
    let event = parse::alone(&text, now).map_err(|r| anyhow::anyhow!("{}: {}", r.field, r.message))?;
    let explanation = rooms.intake.explain(policy, (source, &event), "en", now);
    let mut wrong = Vec::new();
    for destination in &explanation.destinations {
        compare(destination, case.expect.get(&destination.destination), &mut wrong);
    }
    for name in case.expect.keys().filter(|name| policy.destination(name).is_none()) {
        wrong.push(format!("there is no destination `{name}`"));
    }
    Ok(wrong)
}

fn raw(value: &Value) -> anyhow::Result<Box<RawValue>> {
    Ok(RawValue::from_string(value.to_string())?)
}

/// Waits for a future on a thread that may block.
fn wait_for<T, E>(future: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future)?)
}

fn order(
    policy: &Arc<Policy>,
    rooms: &Rooms,
    source: usize,
    decided: &policy::cases::Decided,
    now: Millis,
) -> anyhow::Result<Order> {
    let identifiers = decided
        .by
        .iter()
        .map(|(kind, value)| identity::parse(policy, &rooms.vault, kind, value).map_err(|r| anyhow::anyhow!("{kind} {r}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let decisions = decided
        .decisions
        .iter()
        .map(|(purpose, answer)| {
            let index = policy.purpose(purpose).with_context(|| format!("there is no purpose `{purpose}`"))?;
            Ok((index, *answer == Answer::Granted))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Order {
        identifiers,
        decisions,
        notice: None,
        language: None,
        method: Method::Import,
        source,
        actor: None,
        at: now - Millis::from(decided.days_ago) * DAY_MS,
        policy: Arc::clone(policy),
        mark: None,
        besides: Besides::default(),
    })
}

fn compare(got: &DestinationExplanation, expected: Option<&Expectation>, wrong: &mut Vec<String>) {
    let name = &got.destination;
    let reason = got.reason.unwrap_or("forwarded");
    match (expected.map(|e| e.withheld.as_deref()), got.outcome) {
        (None | Some(Some(_)), Outcome::Forward) => wrong.push(format!("{name}: it goes there, and must not")),
        (Some(None), Outcome::Withhold) => wrong.push(format!("{name}: it stays ({reason}), and must go")),
        (Some(Some(code)), Outcome::Withhold) if code != reason => {
            wrong.push(format!("{name}: it stays for {reason}, not for {code}"))
        }
        (None | Some(Some(_)), Outcome::Withhold) | (Some(None), Outcome::Forward) => {}
    }
    let (Some(expected), Some(event)) = (expected, &got.event) else { return };
    let at = |path: &str| event.pointer(&format!("/{path}"));
    for (path, value) in &expected.has {
        if at(path) != Some(value) {
            wrong.push(format!(
                "{name}: {path} is {}, not {value}",
                at(path).map_or_else(|| String::from("missing"), Value::to_string)
            ));
        }
    }
    for path in expected.present.iter().filter(|path| at(path).is_none()) {
        wrong.push(format!("{name}: {path} is missing"));
    }
    let text = event.to_string();
    for lacking in expected.lacks.iter().filter(|needle| text.contains(needle.as_str())) {
        wrong.push(format!("{name}: `{lacking}` leaves, and must not"));
    }
}
