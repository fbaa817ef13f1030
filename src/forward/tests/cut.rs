//! A withdrawal while a request is on the wire: it is waited for, or cut.

use std::time::Duration;

use super::house::{House, webhook};
use super::server::{Reply, Server};
use crate::forward::{Received, recipients};
use crate::identity;
use crate::policy::{Destination, DestinationKind};

/// A webhook that may take very long.
fn patient(id: &str, url: &str) -> Destination {
    let kind = DestinationKind::Webhook { url: Some(url.to_owned()), allow_private: true, timeout_ms: 60_000 };
    Destination { kind, ..webhook(id, url) }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..15_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("waited in vain for {what}");
}

fn received(house: &House, user: &str) -> Option<Received> {
    let identifier = identity::parse(&house.policy.current(), &house.vault, "user_id", user).unwrap();
    let subject = house.directory.subject(house.directory.owner(&identifier).unwrap());
    recipients::of(&house.store, subject).unwrap().remove("hook")
}

#[tokio::test]
async fn what_hangs_is_cut_counts_as_maybe_received_and_is_not_sent_again() {
    let server = Server::start(|body, _| if body["properties"]["n"] == 1 { Reply::Hang } else { Reply::Status(200) });
    let house = House::new(vec![patient("hook", &server.url)]);
    house.grant("erika").await;
    house.grant("otto").await;
    house.send_together(&[("erika", 1), ("erika", 2), ("otto", 3)]).await;
    until("two requests on the wire", || server.calls().len() == 2).await;
    // It returns although the recipient never answers, and what is not known is stored by then.
    house.decide("erika", 0, false).await;
    let hers = received(&house, "erika").unwrap();
    assert_eq!((hers.events, hers.unclear_at), (0, Some(house.clock.now())));
    server.script(|_, _| Reply::Status(200));
    house.settle().await;
    let house = house.restart().await;
    house.settle().await;
    let mut sent: Vec<u64> = server.calls().iter().map(super::server::Call::n).collect();
    sent.sort_unstable();
    assert_eq!(sent, [1, 3], "nothing twice, and 2 stays");
    let his = received(&house, "otto").unwrap();
    assert_eq!((his.events, his.unclear_at), (1, None));
}

#[tokio::test]
async fn a_withdrawal_of_another_purpose_waits_for_nothing() {
    let server = Server::start(|_, _| Reply::Hang);
    let house = House::new(vec![patient("hook", &server.url)]);
    house.grant("erika").await;
    house.decide("erika", 1, true).await;
    house.send("erika", 1).await;
    until("a request on the wire", || server.calls().len() == 1).await;
    house.decide("erika", 1, false).await;
    assert_eq!(house.figures("hook").cut, 0);
    house.decide("erika", 0, false).await;
    until("the cut", || house.figures("hook").cut == 1).await;
}

#[tokio::test]
async fn what_got_no_answer_counts_as_maybe_received() {
    let server = Server::start(|_, times| if times == 0 { Reply::Drop } else { Reply::Status(500) });
    let house = House::new(vec![webhook("hook", &server.url)]);
    house.grant("erika").await;
    house.send("erika", 1).await;
    house.drain().await;
    house.decide("erika", 0, false).await;
    house.settle().await;
    let hers = received(&house, "erika").unwrap();
    assert_eq!((hers.events, hers.unclear_at.is_some()), (0, true));
}
