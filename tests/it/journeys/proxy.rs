//! Behind a proxy: who asks too often is told so, and other clients of the same proxy are not.

use crate::harness::{Gateway, project};

/// Asks for a page until it is too often, at most this many times.
const TRIES: usize = 400;

fn status(gateway: &Gateway, client: &str) -> u16 {
    gateway.request("GET", "/docs/errors", &[("X-Forwarded-For", client)], b"").status
}

fn exhausts(gateway: &Gateway, client: &str) -> bool {
    (0..TRIES).any(|_| status(gateway, client) == 429)
}

#[test]
fn clients_behind_a_trusted_proxy_have_budgets_of_their_own() {
    let gateway = Gateway::with_options(&project().join("policies"), &["--trusted-proxies", "127.0.0.0/8,::1"]);
    assert!(exhausts(&gateway, "198.51.100.1"));
    assert_eq!(status(&gateway, "198.51.100.2"), 200);
    // Whatever the client wrote itself stands before what the proxy adds.
    assert!(exhausts(&gateway, "198.51.100.77, 198.51.100.3"));
    assert_eq!(status(&gateway, "198.51.100.77"), 200);
}

#[test]
fn nobody_is_believed_unless_the_operator_says_so() {
    let gateway = Gateway::start();
    assert!((0..TRIES).any(|n| status(&gateway, &format!("198.51.100.{}", n % 250)) == 429));
}
