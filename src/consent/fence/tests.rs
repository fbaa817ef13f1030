//! The fence on real threads: whoever holds on to a grant is never seen after its withdrawal was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;

use super::super::tests::{House, NOON};
use super::*;
use crate::consent::Order;
use crate::store::Batch;

const D: &[(&str, &str)] = &[("device", "laptop")];
const U: &[(&str, &str)] = &[("user_id", "u1")];
const DU: &[(&str, &str)] = &[("device", "laptop"), ("user_id", "u1")];
const DE: &[(&str, &str)] = &[("device", "laptop"), ("email", "erika@muster.de")];
const E: &[(&str, &str)] = &[("email", "erika@muster.de")];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl House {
    fn record(&self, who: &[(&str, &str)], decisions: &[(&str, bool)]) {
        runtime().block_on(self.consents.record(self.order(who, decisions, NOON))).unwrap();
    }

    fn rely(&self, who: &[(&str, &str)]) -> Relied {
        let stated = self.identifiers(who);
        let owner = self.directory.owner(&stated[0]).unwrap();
        self.consents.rely(&stated, self.directory.subject(owner), &self.policy, NOON + 1)
    }

    /// How long somebody's refusal takes while this is held.
    fn refusal_beside(&self, relied: Relied, who: &[(&str, &str)], purpose: &str) -> (bool, Duration) {
        let (over, was_cut, begun) = (AtomicBool::new(false), AtomicBool::new(false), Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime().block_on(async {
                    tokio::select! {
                        // Both may be true by the time that a busy machine comes to look.
                        biased;
                        () = relied.reliance.cut() => was_cut.store(true, Ordering::SeqCst),
                        () = async { while !over.load(Ordering::SeqCst) { tokio::time::sleep(Duration::from_millis(1)).await } } => {}
                    }
                    drop(relied);
                });
            });
            self.record(who, &[(purpose, false)]);
            over.store(true, Ordering::SeqCst);
        });
        (was_cut.load(Ordering::SeqCst), begun.elapsed())
    }
}

/// As long as anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        std::thread::yield_now();
    }
}

/// One step of the protocol at a time: the lock that the next one needs is held, and what must have been done by then is looked at.
impl House {
    fn agreed() -> (Self, SubjectId) {
        let house = Self::new();
        house.record(D, &[("analytics", true)]);
        let owner = house.directory.owner(&house.identifiers(D)[0]).unwrap();
        let subject = house.directory.subject(owner);
        (house, subject)
    }

    fn allows_analytics(&self) -> bool {
        let standing = self.consents.standing(&self.directory.resolve(&self.identifiers(D)), NOON + 1);
        !standing.allowed().and(self.bit("analytics")).is_empty()
    }
}

#[test]
fn whoever_looks_at_what_stands_holds_already() {
    let (house, subject) = House::agreed();
    std::thread::scope(|scope| {
        let memory = house.consents.memory.write();
        let holder = scope.spawn(|| house.rely(D));
        until("the hold", || house.consents.fence.held.lock().contains_key(&subject));
        drop(memory);
        drop(holder.join().unwrap());
    });
    assert!(house.consents.fence.held.lock().is_empty(), "what was let go is forgotten");
}

#[test]
fn a_refusal_is_durable_before_memory_learns_it_and_acknowledged_after_that() {
    let (house, subject) = House::agreed();
    std::thread::scope(|scope| {
        let memory = house.consents.memory.read();
        let refusal = scope.spawn(|| house.record(D, &[("analytics", false)]));
        until("the refusal on disk", || house.consents.history(subject).unwrap().len() == 2);
        assert!(!refusal.is_finished(), "it was acknowledged although it does not hold");
        drop(memory);
        refusal.join().unwrap();
    });
    assert!(!house.allows_analytics());
}

#[test]
fn a_refusal_is_in_memory_before_it_looks_who_holds_and_acknowledged_after_that() {
    let (house, _) = House::agreed();
    std::thread::scope(|scope| {
        let held = house.consents.fence.held.lock();
        let refusal = scope.spawn(|| house.record(D, &[("analytics", false)]));
        until("the refusal in memory", || !house.allows_analytics());
        assert!(!refusal.is_finished(), "it was acknowledged without a look");
        drop(held);
        refusal.join().unwrap();
    });
}

#[test]
fn what_memory_learns_late_replaces_nothing_newer() {
    let (house, subject) = House::agreed();
    let key = house.consents.vault.key(subject).unwrap();
    let older = house.consents.standing_of(&key, subject, &mut Batch::default()).unwrap();
    house.record(D, &[("analytics", false)]);
    house.consents.learn(&[(subject, older)], &house.policy);
    assert!(!house.allows_analytics());
}

#[test]
fn what_was_cut_is_waited_for_until_it_has_ended() {
    let house = quick();
    house.record(D, &[("analytics", true)]);
    let (relied, ended) = (house.rely(D), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ended = &ended;
        scope.spawn(move || {
            runtime().block_on(async {
                relied.reliance.cut().await;
                // It takes its time.
                tokio::time::sleep(Duration::from_millis(100)).await;
                ended.store(true, Ordering::SeqCst);
                drop(relied);
            });
        });
        house.record(D, &[("analytics", false)]);
        assert!(ended.load(Ordering::SeqCst), "it was acknowledged while what it had cut was on the wire");
    });
}

fn quick() -> House {
    cut_after(Duration::from_millis(40))
}

fn cut_after(cut: Duration) -> House {
    let mut house = House::new();
    let consents = Arc::into_inner(house.consents).unwrap().cut_after(cut);
    house.consents = Arc::new(consents);
    house
}

#[test]
fn nobody_holds_on_to_a_grant_after_its_withdrawal() {
    let house = House::new();
    house.tell(DU);
    let analytics = house.bit("analytics");
    // Odd: granted; even: the withdrawal is acknowledged.
    let round = AtomicUsize::new(0);
    let (stop, held) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for who in [D, DU] {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let relied = house.rely(who);
                    if relied.standing.allowed().and(analytics) == analytics {
                        relied.reliance.only_for(&house.policy, analytics);
                        std::thread::yield_now();
                        held.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(round.load(Ordering::SeqCst) % 2, 1, "something leaves after the acknowledgement");
                    }
                    drop(relied);
                }
            });
        }
        for n in 0..150 {
            // Alternately the device itself, and the account that it is linked to.
            let who = if n % 2 == 0 { D } else { U };
            round.fetch_add(1, Ordering::SeqCst);
            house.record(DU, &[("analytics", true)]);
            let seen = held.load(Ordering::SeqCst);
            while held.load(Ordering::SeqCst) == seen {
                std::thread::yield_now();
            }
            house.record(who, &[("analytics", false)]);
            round.fetch_add(1, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(house.consents.fence.held.lock().is_empty(), "what was let go is forgotten");
}

#[test]
fn who_does_not_end_is_told_to_and_who_leaves_for_something_else_is_not() {
    for (used, refused, is_cut) in [("analytics", "analytics", true), ("analytics", "ads_sharing", false)] {
        let house = quick();
        house.record(D, &[("analytics", true), ("ads_sharing", true)]);
        let relied = house.rely(D);
        relied.reliance.only_for(&house.policy, house.bit(used));
        let (was_cut, took) = house.refusal_beside(relied, D, refused);
        assert_eq!(was_cut, is_cut, "{used} {refused}");
        assert!(!is_cut || took >= Duration::from_millis(40), "{took:?}");
    }
}

#[test]
fn what_is_not_decided_yet_is_waited_for() {
    let house = quick();
    house.record(D, &[("analytics", true)]);
    let (was_cut, _) = house.refusal_beside(house.rely(D), D, "analytics");
    assert!(was_cut);
}

#[test]
fn a_refusal_reaches_over_links_and_a_joined_name() {
    // The account refuses, the device that it was stated with is on its way.
    let house = quick();
    house.tell(DU);
    house.record(D, &[("analytics", true)]);
    assert!(house.refusal_beside(house.rely(D), U, "analytics").0);
    // The address takes back that devices may be recognised as its own.
    let house = quick();
    house.tell(DE);
    house.record(D, &[("identity_linking", true), ("analytics", true)]);
    house.record(E, &[("identity_linking", true)]);
    let relied = house.rely(D);
    assert_eq!(relied.linking, house.bit("identity_linking"));
    relied.reliance.only_for(&house.policy, house.bit("analytics").or(relied.linking));
    assert!(house.refusal_beside(relied, E, "identity_linking").0);
    // Somebody else has nothing to wait for.
    let house = quick();
    house.record(D, &[("analytics", true)]);
    assert!(!house.refusal_beside(house.rely(D), U, "analytics").0);
}

#[test]
fn a_restriction_and_an_erasure_wait_for_everything() {
    let house = quick();
    house.record(D, &[("analytics", true)]);
    let subject = house.directory.subject(house.directory.owner(&house.identifiers(D)[0]).unwrap());
    for ends in ["restriction", "erasure"] {
        let relied = house.rely(D);
        relied.reliance.only_for(&house.policy, house.bit("analytics"));
        let begun = Instant::now();
        let consents = Arc::clone(&house.consents);
        let policy = Arc::clone(&house.policy);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime().block_on(async {
                    relied.reliance.cut().await;
                    drop(relied)
                })
            });
            runtime().block_on(async {
                match ends {
                    "restriction" => consents.restrict(subject, true, &policy).await.unwrap(),
                    _ => consents.fence_people(&[subject]).await,
                }
            });
        });
        assert!(begun.elapsed() >= Duration::from_millis(40), "{ends}");
    }
}

#[test]
fn several_withdrawals_at_once_wait_side_by_side() {
    let cut = Duration::from_millis(500);
    let house = cut_after(cut);
    let people: Vec<String> = (0..20).map(|n| format!("laptop-{n}")).collect();
    let orders: Vec<Order> =
        people.iter().map(|device| house.order(&[("device", device)], &[("analytics", false)], NOON)).collect();
    for device in &people {
        house.record(&[("device", device)], &[("analytics", true)]);
    }
    let held: Vec<Relied> = people.iter().map(|device| house.rely(&[("device", device)])).collect();
    let mut took = Duration::MAX;
    std::thread::scope(|scope| {
        scope.spawn(|| runtime().block_on(join_all(held.into_iter().map(|relied| async move { relied.reliance.cut().await }))));
        runtime().block_on(async {
            let mut recorded = Vec::new();
            for order in orders {
                recorded.push(house.consents.decide(order).await.unwrap());
            }
            let begun = Instant::now();
            house.consents.fence(&recorded).await;
            took = begun.elapsed();
        });
    });
    // One after another they would take ten seconds; a busy machine does not make that of half a one.
    assert!(took < cut * 20, "{took:?}");
}
