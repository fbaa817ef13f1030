//! `pforte requests`: what people ask for, through the running gateway.

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::cli::client::Gateway;
use crate::config::Remote;

/// Lists requests of people and decides about them. Every act is noted with who did it and why.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Files a request for somebody
    File {
        /// What is asked for: erasure, access, portability, rectification, restriction or objection
        kind: String,
        /// Who asks, as type=value; several times if need be
        #[arg(long = "for", value_name = "TYPE=VALUE", required = true)]
        identifiers: Vec<String>,
        /// An objection is about this purpose alone; several times if need be
        #[arg(long = "purpose")]
        purposes: Vec<String>,
        /// A rectification puts this identifier right; an empty NEW says that OLD is simply not theirs; several times if need be
        #[arg(long = "correct", num_args = 3, value_names = ["TYPE", "OLD", "NEW"])]
        corrections: Vec<String>,
        /// A rectification puts this trait right; several times if need be
        #[arg(long = "trait", value_name = "NAME=VALUE")]
        traits: Vec<String>,
        /// It is clear that the person asks whose these are
        #[arg(long)]
        identified: bool,
        /// With an erasure: they ask not to be brought back by imports; needs a note of what they said
        #[arg(long, requires = "note")]
        suppress: bool,
        /// The person's language: de or en; the policy's if it is left out
        #[arg(long)]
        language: Option<String>,
        /// What there is to say about it
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lists them, oldest first
    List {
        #[command(flatten)]
        only: Only,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// A table with deadlines and states: the register
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Finds open requests of somebody; that you looked is noted, and why
    Search {
        /// Whose, as type=value; several times if need be
        #[arg(long = "for", value_name = "TYPE=VALUE", required = true)]
        identifiers: Vec<String>,
        /// Why you look
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Shows one, with everything that was done; that you looked is noted
    Show {
        /// Its ID
        id: String,
        /// Why you look
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// It is clear now who asks: the deadline runs
    Identify(One),
    /// It is not clear who asks: the deadline rests
    Doubt(One),
    /// Sends the person a new link to confirm that it is they who ask
    SendLink(One),
    /// Has it done
    Approve(One),
    /// Refuses it, with a ground that the law knows
    Refuse {
        /// `not_identified`, `manifestly_unfounded`, `excessive`, `legal_obligation` or `legal_claims`
        #[arg(long)]
        ground: String,
        #[command(flatten)]
        one: One,
    },
    /// Says who sees to it
    Assign {
        /// Who, as the company calls them: a-z, 0-9, `.`, `_`, `-`; nobody if it is left out
        #[arg(long, default_value = "")]
        to: String,
        #[command(flatten)]
        one: One,
    },
    /// Notes something about it, as its --reason; name nobody
    Note(One),
    /// Takes up to two months longer; needs a reason, inside the first month
    Extend(One),
    /// The person takes it back
    Cancel(One),
    /// Ends a restriction; needs a reason, which the person is told before if there is an address
    Lift(One),
    /// A recipient has done its part
    Confirm {
        /// The destination
        #[arg(long)]
        recipient: String,
        #[command(flatten)]
        one: One,
    },
    /// Prints what is stored about the person, for 30 days after an access or portability was approved
    Package {
        /// The request's ID
        id: String,
        /// json, csv or html
        #[arg(long, default_value = "json")]
        format: String,
        /// de or en; the policy's language if it is left out
        #[arg(long)]
        language: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Prints the certificate
    Certificate {
        /// The request's ID
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Which requests a list shows.
#[derive(clap::Args)]
struct Only {
    /// Only those in this state
    #[arg(long)]
    state: Option<String>,
    /// Only those of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only those whose deadline has passed
    #[arg(long)]
    late: bool,
    /// Only those that must be answered before this day, such as 2026-12-24
    #[arg(long)]
    due_before: Option<String>,
    /// Only those that this person of the company sees to; empty: nobody
    #[arg(long)]
    assigned: Option<String>,
}

#[derive(clap::Args)]
struct One {
    /// The request's ID
    id: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// Runs the command.
///
/// # Errors
/// When no gateway answers, or it refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::File { kind, identifiers, purposes, corrections, traits, identified, suppress, language, note, remote } => {
            let mut body = json!({"kind": kind, "identifiers": named(identifiers)?, "identified": identified});
            wrong(&mut body, corrections, traits)?;
            if let (true, Some(body)) = (*suppress, body.as_object_mut()) {
                body.insert(String::from("suppress"), Value::Bool(true));
            }
            for (name, value) in [("note", note), ("language", language)] {
                if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
                    body.insert(String::from(name), Value::from(value.as_str()));
                }
            }
            if let (false, Some(body)) = (purposes.is_empty(), body.as_object_mut()) {
                body.insert(String::from("purposes"), json!(purposes));
            }
            let answer = Gateway::find(remote)?.ask("POST", "/v1/requests", Some(&body))?;
            say(text(&answer, "id"));
            Ok(ExitCode::SUCCESS)
        }
        Command::List { only, csv: true, remote, .. } => {
            let table = Gateway::find(remote)?.ask_text("GET", &format!("/v1/requests?format=csv{}", only.query()))?;
            print(&table);
            Ok(ExitCode::SUCCESS)
        }
        Command::List { only, json, remote, .. } => list(&Gateway::find(remote)?, only, *json),
        Command::Search { identifiers, reason, remote } => {
            let body = json!({"identifiers": named(identifiers)?, "reason": reason});
            let answer = Gateway::find(remote)?.ask("POST", "/v1/requests/search", Some(&body))?;
            lines(&answer, false);
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id, reason, remote } => {
            let why = reason.as_deref().map(|reason| format!("?reason={}", escape(reason))).unwrap_or_default();
            show(&Gateway::find(remote)?.ask("GET", &path(id, &why), None)?)
        }
        Command::Assign { to, one } => step("assign", one, &[("to", to)]),
        Command::Note(one) => step("note", one, &[]),
        Command::Identify(one) => step("identify", one, &[]),
        Command::Doubt(one) => step("doubt", one, &[]),
        Command::SendLink(one) => step("send_link", one, &[]),
        Command::Approve(one) => step("approve", one, &[]),
        Command::Refuse { ground, one } => step("refuse", one, &[("ground", ground)]),
        Command::Extend(one) => step("extend", one, &[]),
        Command::Cancel(one) => step("cancel", one, &[]),
        Command::Lift(one) => step("lift", one, &[]),
        Command::Confirm { recipient, one } => step("confirm", one, &[("recipient", recipient)]),
        Command::Package { id, format, language, remote } => {
            let language = language.as_deref().map(|language| format!("&language={}", escape(language))).unwrap_or_default();
            let rest = format!("/package?format={}{language}", escape(format));
            print(&Gateway::find(remote)?.ask_text("GET", &path(id, &rest))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Certificate { id, remote } => {
            let answer = Gateway::find(remote)?.ask_text("GET", &path(id, "/certificate"))?;
            say(&answer);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Adds what a rectification puts right.
fn wrong(body: &mut Value, corrections: &[String], traits: &[String]) -> anyhow::Result<()> {
    let Some(body) = body.as_object_mut() else { return Ok(()) };
    let mut list = Vec::new();
    for correction in corrections.chunks(3) {
        let [kind, from, to] = correction else { anyhow::bail!("--correct takes a type, the old value and the new one") };
        let to = if to.is_empty() { Value::Null } else { Value::from(to.as_str()) };
        list.push(json!({"type": kind, "from": from, "to": to}));
    }
    if !list.is_empty() {
        body.insert(String::from("corrections"), Value::from(list));
    }
    let mut right: Map<String, Value> = Map::new();
    for one in traits {
        let Some((name, value)) = one.split_once('=') else { anyhow::bail!("--trait takes name=value, such as city=Mainz") };
        right.insert(name.to_owned(), Value::from(value));
    }
    if !right.is_empty() {
        body.insert(String::from("traits"), Value::from(right));
    }
    Ok(())
}

fn named(identifiers: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut named: Map<String, Value> = Map::new();
    for identifier in identifiers {
        let Some((kind, value)) = identifier.split_once('=') else {
            anyhow::bail!("--for takes type=value, such as email=erika@example.org")
        };
        let values = named.entry(kind).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(Value::from(value));
        }
    }
    Ok(named)
}

impl Only {
    /// As parameters that follow others.
    fn query(&self) -> String {
        let late = self.late.then(|| String::from("true"));
        let all = [
            ("state", &self.state),
            ("kind", &self.kind),
            ("late", &late),
            ("due_before", &self.due_before),
            ("assigned", &self.assigned),
        ];
        all.iter().filter_map(|(name, value)| Some(format!("&{name}={}", escape(value.as_deref()?)))).collect()
    }
}

fn list(gateway: &Gateway, only: &Only, json: bool) -> anyhow::Result<ExitCode> {
    let mut next = String::new();
    loop {
        let answer = gateway.ask("GET", &format!("/v1/requests?limit=500{}{next}", only.query()), None)?;
        lines(&answer, json);
        match text(&answer, "next") {
            "" => return Ok(ExitCode::SUCCESS),
            place => next = format!("&after={}", escape(place)),
        }
    }
}

fn lines(answer: &Value, json: bool) {
    let requests = answer.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for request in requests {
        say(&if json { request.to_string() } else { line(request) });
    }
    if requests.is_empty() && !json {
        say("There are no requests.");
    }
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn step(name: &str, one: &One, more: &[(&str, &str)]) -> anyhow::Result<ExitCode> {
    let mut body: Map<String, Value> = more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    if let Some(reason) = &one.reason {
        body.insert(String::from("reason"), Value::from(reason.as_str()));
    }
    let gateway = Gateway::find(&one.remote)?;
    show(&gateway.ask("POST", &path(&one.id, &format!("/{name}")), Some(&Value::Object(body)))?)
}

fn path(id: &str, rest: &str) -> String {
    format!("/v1/requests/{}{rest}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

fn show(request: &Value) -> anyhow::Result<ExitCode> {
    say(&line(request));
    let all = |name: &str| request.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for identifier in all("identifiers") {
        let part = |at: usize| identifier.get(at).and_then(Value::as_str).unwrap_or_default();
        say(&format!("  asked by  {:<12} {}", part(0), part(1)));
    }
    for recipient in all("recipients") {
        let events = recipient.get("events").and_then(Value::as_u64).unwrap_or_default();
        let customers: Vec<String> = recipient
            .get("customers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|c| c.as_str().map(str::to_owned))
            .collect();
        say(&format!(
            "  recipient {:<12} {:<18} {events} events  {}",
            text(&recipient, "id"),
            text(&recipient, "state"),
            customers.join(" ")
        ));
    }
    for mail in all("mails") {
        say(&format!(
            "  {}  mail {:<13} {}  {}",
            text(&mail, "at"),
            text(&mail, "kind"),
            text(&mail, "state"),
            text(&mail, "reason")
        ));
    }
    for act in all("acts") {
        say(&format!("  {}  {:<18} by {}  {}", text(&act, "at"), text(&act, "what"), text(&act, "who"), text(&act, "why")));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(request: &Value) -> String {
    let left = request.get("daysLeft").and_then(Value::as_i64).map(|days| format!(" ({days} days left)")).unwrap_or_default();
    let due = text(request, "due");
    let due = if due.is_empty() { String::new() } else { format!("  due {due}{left}") };
    let assigned = text(request, "assigned");
    let assigned = if assigned.is_empty() { String::new() } else { format!("  with {assigned}") };
    format!(
        "{}  {:<13} {:<16} received {}{due}{assigned}",
        text(request, "id"),
        text(request, "kind"),
        text(request, "state"),
        text(request, "receivedAt")
    )
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stdout, reason = "a command line speaks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}
