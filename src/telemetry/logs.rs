//! Logs: one JSON object a line; one short line when a person watches.
//!
//! What other crates say below a warning is dropped: HTTP libraries log addresses and headers, and those hold identifiers.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::request_id;
use crate::clock::{Clock, rfc3339};

/// Fields that are struck out whatever they hold. The rule is that nobody logs them; this is what happens if somebody does.
pub const NEVER: &[&str] = &[
    "address",
    "anonymous_id",
    "anonymousid",
    "body",
    "cookie",
    "customer_id",
    "email",
    "event",
    "headers",
    "host",
    "identifier",
    "ip",
    "mail",
    "message_id",
    "name",
    "path",
    "peer",
    "phone",
    "properties",
    "query",
    "secret",
    "subject",
    "subject_id",
    "token",
    "traits",
    "uri",
    "url",
    "user",
    "user_agent",
    "user_id",
    "userid",
    "value",
];

/// Starts the log on standard error, for the whole process. `level` is off, error, warn, info, debug or trace.
pub fn start_logging(level: &str) {
    let wanted = level.parse::<LevelFilter>();
    let own = *wanted.as_ref().unwrap_or(&LevelFilter::INFO);
    let others = own.min(LevelFilter::WARN);
    let lines = Lines { json: !std::io::stderr().is_terminal(), clock: Clock::system() };
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(lines);
    let filter = Targets::new().with_default(others).with_target(env!("CARGO_PKG_NAME"), own);
    // A second start in one process (tests) keeps the first log.
    let first = tracing_subscriber::registry().with(filter).with(layer).try_init().is_ok();
    if first {
        report_panics();
    }
    if wanted.is_err() {
        tracing::warn!("the log level is none of off, error, warn, info, debug, trace; taking info");
    }
}

/// A panic's message may hold what was being worked on, so only its place is told.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "something panicked");
    }));
}

/// How a line is written.
pub(super) struct Lines {
    pub(super) json: bool,
    pub(super) clock: Clock,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let Said { message, mut fields } = said;
        if let (Some(id), false) = (request_id(), fields.contains_key("request_id")) {
            fields.insert(String::from("request_id"), Value::String(id.to_string()));
        }
        let at = rfc3339(self.clock.now());
        let meta = event.metadata();
        if self.json {
            let mut line = Map::new();
            line.insert(String::from("at"), Value::String(at));
            line.insert(String::from("level"), Value::String(meta.level().as_str().to_ascii_lowercase()));
            line.insert(String::from("room"), Value::String(meta.target().to_owned()));
            line.insert(String::from("message"), Value::String(message));
            line.append(&mut fields);
            writeln!(writer, "{}", Value::Object(line))
        } else {
            write!(writer, "{at} {:5} {}", colourless(*meta.level()), message)?;
            for (name, value) in &fields {
                write!(writer, " {name}={value}")?;
            }
            writeln!(writer)
        }
    }
}

const fn colourless(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// What one call of the log said.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if NEVER.iter().any(|never| never.eq_ignore_ascii_case(name)) {
            self.fields.insert(name.to_owned(), Value::from("[struck out]"));
        } else if name == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.fields.insert(name.to_owned(), value);
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A broken Debug of somebody's type costs its value, not the line.
        if write!(text, "{value:?}").is_err() {
            text.push('…');
        }
        self.put(field, Value::String(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
}
