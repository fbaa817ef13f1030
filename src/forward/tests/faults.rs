//! Any mixture of faults, restarts and withdrawals: nothing lost, nothing out of order, nothing that should have stayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::house::{FIVE_MINUTES, House, file, webhook};
use super::server::{Reply, Server};

/// What the destination says to one event, try by try; after the last it takes it.
type Replies = Vec<Reply>;

#[derive(Clone, Debug)]
enum Act {
    Send {
        user: usize,
        replies: Replies,
    },
    Withdraw {
        user: usize,
    },
    Pass,
    Drain,
    /// An error of ours in the middle of a step.
    Stumble,
    Restart,
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        6 => Just(Reply::Status(500)),
        2 => Just(Reply::Status(429)),
        1 => Just(Reply::Status(302)),
        1 => Just(Reply::Later(503, 30)),
        1 => Just(Reply::Later(429, 3)),
        2 => Just(Reply::Drop),
        1 => Just(Reply::Hang),
        2 => Just(Reply::Status(400)),
        1 => Just(Reply::Status(410)),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let replies = prop_oneof![3 => Just(Vec::new()), 2 => proptest::collection::vec(reply(), 1..4)];
    prop_oneof![
        12 => (0_usize..6, replies).prop_map(|(user, replies)| Act::Send { user, replies }),
        1 => (4_usize..6).prop_map(|user| Act::Withdraw { user }),
        2 => Just(Act::Pass),
        2 => Just(Act::Drain),
        1 => Just(Act::Stumble),
        1 => Just(Act::Restart),
    ]
}

fn refuses(reply: Reply) -> bool {
    matches!(reply, Reply::Status(status) if (400..500).contains(&status) && status != 429)
}

#[derive(Default)]
struct Model {
    /// Per event: whose, and what the destination says to it.
    events: Vec<(usize, Replies)>,
    /// Per user: events before this one may have left, the others must not have.
    withdrawn: BTreeMap<usize, u64>,
}

async fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let scripts: Arc<parking_lot::Mutex<Vec<Replies>>> = Arc::default();
    let told = Arc::clone(&scripts);
    let server = Server::start(move |body, times| {
        let n = usize::try_from(body["properties"]["n"].as_u64().unwrap_or(0)).unwrap_or(0);
        told.lock().get(n).and_then(|replies| replies.get(times).copied()).unwrap_or(Reply::Status(200))
    });
    let mut house = House::new(vec![webhook("hook", &server.url), file("archive"), webhook("gone", "http://127.0.0.1:9/")]);
    let mut model = Model::default();
    for user in 0..6 {
        house.grant(&format!("user-{user}")).await;
    }
    for act in acts {
        match act {
            Act::Send { user, replies } => {
                scripts.lock().push(replies.clone());
                house.send(&format!("user-{user}"), model.events.len() as u64).await;
                model.events.push((user, replies));
            }
            Act::Withdraw { user } => {
                house.decide(&format!("user-{user}"), 0, false).await;
                model.withdrawn.entry(user).or_insert(server.calls().len() as u64);
            }
            Act::Pass => house.clock.pass(FIVE_MINUTES / 3),
            Act::Stumble => house.stumble(),
            Act::Drain => house.drain().await,
            Act::Restart => house = house.restart().await,
        }
    }
    house.change(vec![webhook("hook", &server.url), file("archive")]);
    house.settle().await;
    check(&house, &server, &model)
}

fn check(house: &House, server: &Server, model: &Model) -> Result<(), TestCaseError> {
    let taken = server.taken();
    let by_number: BTreeSet<u64> = taken.iter().map(super::server::Call::n).collect();
    let mut dead = 0;
    for (n, (user, replies)) in (0_u64..).zip(&model.events) {
        let refused = replies.iter().any(|r| refuses(*r));
        if model.withdrawn.contains_key(user) {
            continue;
        }
        dead += usize::from(refused);
        prop_assert_eq!(by_number.contains(&n), !refused, "event {} with {:?}", n, replies);
    }
    let letters = house.dead();
    prop_assert!(letters.len() >= dead, "{} dead letters, at least {} expected", letters.len(), dead);
    prop_assert!(letters.iter().all(|l| l.destination == "hook" && l.reason.starts_with("http_4")));
    // In order per subject, by the time at which each was first taken.
    let mut last: BTreeMap<usize, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for call in taken.iter().filter(|call| seen.insert(call.n())) {
        let user = model.events[usize::try_from(call.n()).unwrap_or(0)].0;
        prop_assert!(last.insert(user, call.n()).is_none_or(|before| before < call.n()), "event {} overtook", call.n());
    }
    // One idempotency key per event, and one event per key.
    let keys: BTreeSet<(u64, String)> = server.calls().iter().map(|c| (c.n(), c.headers["idempotency-key"].clone())).collect();
    prop_assert_eq!(keys.len(), keys.iter().map(|(n, _)| n).collect::<BTreeSet<_>>().len());
    prop_assert_eq!(keys.len(), keys.iter().map(|(_, k)| k).collect::<BTreeSet<_>>().len());
    // After a withdrawal was acknowledged nothing of that person is begun, and nothing is under way.
    for (user, calls) in &model.withdrawn {
        let calls = usize::try_from(*calls).unwrap_or(0);
        let late =
            server.calls().iter().skip(calls).filter(|c| model.events[usize::try_from(c.n()).unwrap_or(0)].0 == *user).count();
        prop_assert!(late == 0, "user {} withdrew and {} events were sent", user, late);
    }
    // The other destination got each event once, whatever happened here.
    let filed = house.in_files("archive");
    let expected: Vec<u64> = (0..model.events.len() as u64)
        .filter(|n| filed.contains(n) || !model.withdrawn.contains_key(&model.events[usize::try_from(*n).unwrap_or(0)].0))
        .collect();
    prop_assert_eq!(filed, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_destination_does_nothing_is_lost_or_out_of_order(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(acts))?;
    }
}
