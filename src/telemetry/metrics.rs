//! Figures. Labels come from closed sets: route patterns, methods, statuses, IDs of the policy, reason codes.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use actix_web::http::Method;
use parking_lot::RwLock;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The media type of the answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Event {
    source: String,
    destination: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct At {
    destination: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
    policy: String,
}

#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        // 0.25 ms to 8 s.
        Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
    }
}

/// What is counted as it happens: requests. Everything else is read from the rooms when somebody asks; see [`Figures`].
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram, Durations>,
    /// The figures of both for what was answered before, so that they are found with one look.
    known: RwLock<HashMap<Request, (Counter, Histogram)>>,
}

/// What the rooms know about themselves at the moment of asking.
#[derive(Debug, Default)]
pub struct Figures {
    /// The version of the policy in force.
    pub policy: String,
    /// What happened to events: source, destination (empty where the event never reached the gate), outcome, how often.
    pub events: Vec<(String, String, &'static str, u64)>,
    /// Per destination: how much of the outbox it has not confirmed, in chunks. 0: everything that may leave has left.
    pub backlog_chunks: Vec<(String, u64)>,
    /// Per destination: events that wait because they could not be delivered yet.
    pub parked: Vec<(String, u64)>,
    /// Per destination: events that were given up.
    pub dead_letters: Vec<(String, u64)>,
    /// Per destination: events that were confirmed since the start.
    pub delivered: Vec<(String, u64)>,
    /// Single figures: name without prefix, what it is, value.
    pub gauges: Vec<(&'static str, &'static str, u64)>,
}

impl Metrics {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self { requests: Family::default(), durations: Family::new_with_constructor(Durations), known: RwLock::default() }
    }

    /// Counts an answered request.
    pub fn answered(&self, method: &'static str, route: String, status: u16, seconds: f64) {
        let request = Request { method, route, status };
        if let Some((count, durations)) = self.known.read().get(&request) {
            count.inc();
            durations.observe(seconds);
            return;
        }
        let durations = self.durations.get_or_create_owned(&Route { route: request.route.clone() });
        let count = self.requests.get_or_create_owned(&request);
        count.inc();
        durations.observe(seconds);
        self.known.write().insert(request, (count, durations));
    }

    /// Everything as text.
    ///
    /// # Errors
    /// Never in practice: a string takes whatever is written.
    pub fn render(&self, figures: &Figures) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("pforte");
        registry.register("requests", "Requests that were answered", self.requests.clone());
        registry.register("request_seconds", "How long answers took", self.durations.clone());
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), policy: figures.policy.clone() }).set(1);
        registry.register("running", "What runs here", build);
        let events = Family::<Event, Counter>::default();
        for (source, destination, outcome, n) in &figures.events {
            let label = Event { source: source.clone(), destination: destination.clone(), outcome };
            events.get_or_create(&label).inc_by(*n);
        }
        registry.register("events", "What happened to events since the start", events);
        let delivered = Family::<At, Counter>::default();
        for (destination, n) in &figures.delivered {
            delivered.get_or_create(&At { destination: destination.clone() }).inc_by(*n);
        }
        registry.register("delivered", "Events that a destination confirmed since the start", delivered);
        register(
            &mut registry,
            "backlog_chunks",
            "Chunks of the outbox that a destination has not confirmed",
            &figures.backlog_chunks,
        );
        register(&mut registry, "parked_events", "Events that wait for a destination to recover", &figures.parked);
        register(&mut registry, "dead_letters", "Events that were given up", &figures.dead_letters);
        for (name, help, value) in &figures.gauges {
            registry.register(*name, *help, gauge(*value));
        }
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn register(registry: &mut Registry, name: &str, help: &str, figures: &[(String, u64)]) {
    let family = Family::<At, Gauge<u64, AtomicU64>>::default();
    for (destination, n) in figures {
        family.get_or_create(&At { destination: destination.clone() }).set(*n);
    }
    registry.register(name, help, family);
}

fn gauge(value: u64) -> Gauge<u64, AtomicU64> {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

/// The method's name, from a closed set: callers may send any word.
pub(super) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
