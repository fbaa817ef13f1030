//! What a run over everybody costs: one in which nobody is over, and one in which some are.
//!
//! `cargo bench --bench retention [-- --subjects 1000000 --over 10000]`. Everybody is a device that refused once; those who are over did so
//! long ago. Loading takes several times as long as what is measured.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints and measures"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use pforte::app::App;
use pforte::clock::{Clock, DAY_MS, Millis};
use pforte::config::{Config, MasterKey};
use pforte::consent::{Besides, Method, Order};
use pforte::identity;

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many decisions are under way while loading.
const LOAD: u64 = 4_000;
const START: Millis = 1_768_035_600_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |name: &str, otherwise: u64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1).map_or(Ok(otherwise), |value| value.parse())
    };
    let (subjects, over) = (argument("--subjects", 1_000_000)?, argument("--over", 10_000)?);
    let folder = tempfile::tempdir()?;
    let clock = Clock::manual(START);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = App::open_with(config(folder.path()), clock.clone(), None)?;
        let began = Instant::now();
        for (from, until) in [(0, over), (over, subjects)] {
            for first in (from..until).step_by(usize::try_from(LOAD)?) {
                let some = (first..(first + LOAD).min(until)).map(|n| refuses(&app, n, clock.now()));
                for done in join_all(some).await {
                    done?;
                }
            }
            // The others refuse a year later.
            clock.pass(365 * DAY_MS);
        }
        println!("{subjects} people loaded in {:.0} s", began.elapsed().as_secs_f64());
        for what in ["nobody is over", "some are over"] {
            let before = rss()?;
            let began = Instant::now();
            app.retention.run(clock.now() - if what == "nobody is over" { 400 * DAY_MS } else { 0 }).await?;
            let took = began.elapsed().as_secs_f64();
            let run = app.retention.latest().unwrap_or_default();
            println!(
                "{what}: {took:.2} s, {:.2} us a person, {} let go, {} MB more memory",
                took * 1e6 / subjects as f64,
                run.people,
                rss()?.saturating_sub(before) >> 20
            );
        }
        app.close().await?;
        Ok(())
    })
}

async fn refuses(app: &Arc<App>, n: u64, at: Millis) -> Result<(), Box<dyn std::error::Error>> {
    let policy = app.policy.current();
    let device = identity::parse(&policy, &app.vault, "device", &format!("device-{n}")).map_err(|refusal| refusal.to_string())?;
    let decisions = policy.purpose("analytics").map(|purpose| (purpose, false)).into_iter().collect();
    let order = Order {
        identifiers: vec![device],
        decisions,
        notice: None,
        language: None,
        method: Method::Banner,
        source: 0,
        actor: None,
        at,
        policy,
        mark: None,
        besides: Besides::default(),
    };
    app.consents.record(order).await?;
    Ok(())
}

fn config(folder: &Path) -> Config {
    Config {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        data: folder.join("data"),
        keys: folder.join("keys"),
        policies: Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        out: folder.to_path_buf(),
        log: String::from("off"),
        workers: 1,
        cache_mib: 256,
        trusted_proxies: Vec::new(),
        mail: pforte::config::Mail::default(),
        public_url: None,
        witnesses: None,
        demo: None,
        withdrawal_cut_ms: 1000,
        index_key_days: 0,
        master: MasterKey::default(),
    }
}

fn rss() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}
