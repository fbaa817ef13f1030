//! The rules that a policy must keep. Each has a name, a place and a cure; `docs/policy.md` explains them.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::duty;
use super::erasure;
use super::fair;
use super::finding::Findings;
use super::model::{DESTINATIONS_MAX, IdentifierKind, LegalBasis, PURPOSES_MAX, REQUEST_KINDS, SourceKind, Texts};
use super::preferences;
use super::raw::{NoticeFile, Parsed, PurposesFile, Raw, RawDestination, RawForm, RawKind, Text};
use super::signals;

const TYPES: &[&str] = &["track", "identify", "page", "screen", "group", "alias"];
/// Shorter write keys are too easy to guess. The shipped ones are known to everybody anyway.
const WRITE_KEY_CHARS_MIN: usize = 16;

/// Checks everything.
pub(super) fn all(raw: &Raw, findings: &mut Findings) {
    controller(raw, findings);
    purposes(raw, findings);
    double_opt_in(raw, findings);
    ids(&raw.purposes.from, raw.purposes.value.duty.iter().map(|d| &d.id), findings);
    raw.purposes.value.duty.iter().for_each(|duty| texts(raw, &raw.purposes.from, &duty.law, findings));
    duty::lint(raw, findings);
    identifiers(raw, findings);
    sources(raw, findings);
    destinations(raw, findings);
    routes(raw, findings);
    notices(raw, findings);
    signals::lint(raw, findings);
    fair::lint(raw, findings);
    preferences::lint(raw, findings);
}

fn is_id(text: &str, also: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(c))
}

/// Every ID once, and of the allowed letters.
pub(super) fn ids<'a>(text: &Text, list: impl Iterator<Item = &'a Spanned<String>>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for id in list {
        if !is_id(id.as_ref(), "-_") {
            findings.error(text, id.span(), "id", ("an ID is made of a-z, 0-9, - and _", "rename it"));
        }
        if !seen.insert(id.as_ref().as_str()) {
            findings.error(text, id.span(), "duplicate", (format!("`{}` is there twice", id.as_ref()), "remove or rename one"));
        }
    }
}

pub(super) fn known(text: &Text, wanted: &Spanned<String>, what: &str, list: &[&str], findings: &mut Findings) {
    if !list.contains(&wanted.as_ref().as_str()) {
        let message = format!("there is no {what} `{}`", wanted.as_ref());
        findings.error(text, wanted.span(), "reference", (message, format!("use one of: {}", list.join(", "))));
    }
}

pub(super) fn purpose_ids(raw: &Raw) -> Vec<&str> {
    raw.purposes.value.purpose.iter().map(|p| p.id.as_ref().as_str()).collect()
}

fn consent_purposes(file: &PurposesFile) -> BTreeSet<&str> {
    file.purpose.iter().filter(|p| *p.basis.as_ref() == LegalBasis::Consent).map(|p| p.id.as_ref().as_str()).collect()
}

fn controller(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.controller;
    let controller = value.controller.as_ref();
    if controller.name.trim().is_empty() || controller.contact.trim().is_empty() || controller.address.trim().is_empty() {
        let words = ("name, address and contact must say who answers for the processing", "fill them in (GDPR Art. 13(1)(a))");
        findings.error(from, value.controller.span(), "controller", words);
    }
    if controller.country.len() != 2 || !controller.country.chars().all(|c| c.is_ascii_uppercase()) {
        findings.error(from, value.controller.span(), "country", ("country is an ISO 3166-1 code of two letters", "such as DE"));
    }
    if jiff::tz::TimeZone::get(&controller.time_zone).is_err() {
        let words = ("time_zone is a name of the IANA time zone database", "such as \"Europe/Berlin\"");
        findings.error(from, value.controller.span(), "time_zone", words);
    }
    if controller.holidays.iter().any(|day| day.parse::<jiff::civil::Date>().is_err()) {
        findings.error(from, value.controller.span(), "holidays", ("holidays are dates", "write them like \"2026-12-25\""));
    }
    if !controller.four_eyes.iter().all(|kind| REQUEST_KINDS.contains(&kind.as_str())) {
        let words = ("four_eyes names kinds of requests", format!("use some of: {}", REQUEST_KINDS.join(", ")));
        findings.error(from, value.controller.span(), "four_eyes", words);
    }
    if controller.privacy_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        let words = ("privacy_url is where people read everything about the processing", "write https://…, or leave it out");
        findings.error(from, value.controller.span(), "url", words);
    }
    if !value.languages.iter().any(|l| *l.as_ref() == controller.language) {
        findings.error(from, value.controller.span(), "language", ("the default language is not among `languages`", "add it"));
    }
    for language in &value.languages {
        if !is_id(language.as_ref(), "-") {
            findings.error(
                from,
                language.span(),
                "language",
                ("a language is a tag such as de or en", "write it in small letters"),
            );
        }
    }
}

pub(super) fn texts(raw: &Raw, from: &Text, texts: &Spanned<Texts>, findings: &mut Findings) {
    for language in &raw.controller.value.languages {
        if texts.as_ref().get(language.as_ref()).is_none_or(|text| text.trim().is_empty()) {
            let message = format!("the text in `{}` is missing", language.as_ref());
            findings.error(from, texts.span(), "text-missing", (message, "write it; people read it when they decide"));
        }
    }
}

fn purposes(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.purposes;
    ids(from, value.purpose.iter().map(|p| &p.id), findings);
    if let Some(extra) = value.purpose.get(PURPOSES_MAX) {
        findings.error(from, extra.id.span(), "too-many", (format!("more than {PURPOSES_MAX} purposes"), "merge some"));
    }
    let mut categories: BTreeMap<String, &str> = BTreeMap::new();
    for purpose in &value.purpose {
        texts(raw, from, &purpose.title, findings);
        texts(raw, from, &purpose.text, findings);
        if *purpose.retention_days.as_ref() == 0 {
            findings.error(
                from,
                purpose.retention_days.span(),
                "retention",
                ("data without a retention period", "say for how many days (GDPR Art. 5(1)(e))"),
            );
        }
        let consent = *purpose.basis.as_ref() == LegalBasis::Consent;
        match &purpose.consent_days {
            Some(days) if !consent || *days.as_ref() == 0 => {
                findings.error(
                    from,
                    days.span(),
                    "consent-days",
                    ("consent_days is for purposes that rest on consent, and at least 1", "remove or raise it"),
                );
            }
            None if consent => {
                findings.warning(
                    from,
                    purpose.id.span(),
                    "consent-days",
                    ("a grant that never expires", "set consent_days, 395 is usual"),
                );
            }
            Some(_) | None => {}
        }
        for category in purpose.categories.iter().map(|c| c.to_lowercase()).chain([purpose.id.as_ref().to_lowercase()]) {
            if let Some(other) = categories.insert(category.clone(), purpose.id.as_ref()).filter(|o| *o != purpose.id.as_ref()) {
                let message = format!("the category `{category}` already means `{other}`");
                findings.error(from, purpose.id.span(), "category", (message, "give it to one purpose only"));
            }
        }
    }
    if let Some(linking) = &value.linking {
        let allowed: Vec<&str> = consent_purposes(value).into_iter().collect();
        known(from, linking, "purpose on consent", &allowed, findings);
    }
}

/// A confirmation is asked for by mail, and of a consent.
fn double_opt_in(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.purposes;
    let has_address = raw.identifiers.value.identifier.iter().any(|i| i.kind == IdentifierKind::Email);
    for purpose in &value.purpose {
        let Some(needs) = purpose.double_opt_in.as_ref().filter(|needs| *needs.as_ref()) else { continue };
        if *purpose.basis.as_ref() != LegalBasis::Consent {
            let words = ("only a consent can be confirmed", "remove double_opt_in, or let the purpose rest on consent");
            findings.error(from, needs.span(), "double-opt-in", words);
        }
        if !has_address {
            let words =
                ("nobody can confirm it: no identifier is an e-mail address", "add one of kind email to identifiers.toml");
            findings.error(from, needs.span(), "double-opt-in", words);
        }
    }
}

fn identifiers(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.identifiers;
    ids(from, value.identifier.iter().map(|i| &i.id), findings);
    for (place, identifier) in value.identifier.iter().enumerate() {
        let tag = |id: &str| crc32fast::hash(id.as_bytes());
        let before = value.identifier.iter().take(place).map(|other| other.id.as_ref());
        if before.into_iter().any(|other| other != identifier.id.as_ref() && tag(other) == tag(identifier.id.as_ref())) {
            let message = String::from("an ID whose checksum is that of another type's: the two could not be told apart");
            findings.error(from, identifier.id.span(), "tag", (message, "choose another ID"));
        }
        if identifier.paths.as_ref().is_empty() {
            findings.error(
                from,
                identifier.id.span(),
                "paths",
                ("an identifier that stands nowhere", "name its paths in events, such as traits.email"),
            );
        }
        for path in identifier.paths.as_ref() {
            if !is_event_path(path) {
                findings.error(from, identifier.paths.span(), "path", (format!("`{path}` is no path of an event"), PATH_CURE));
            }
        }
    }
}

const PATH_CURE: &str = "userId, anonymousId, previousId, groupId, or something below traits., properties. or context.";

fn is_event_path(path: &str) -> bool {
    ["userId", "anonymousId", "previousId", "groupId"].contains(&path) || is_field(path)
}

fn is_field(path: &str) -> bool {
    let below = ["traits.", "properties.", "context."].iter().find_map(|root| path.strip_prefix(root));
    below.is_some_and(|rest| rest.split('.').all(|part| !part.is_empty()))
}

fn is_preference(path: &str) -> bool {
    path.strip_prefix("preferences.").is_some_and(|id| is_id(id, "-_"))
}

fn sources(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.sources;
    ids(from, value.source.iter().map(|s| &s.id), findings);
    let notices: Vec<&str> = raw.notices.iter().map(|(id, _, _)| id.as_str()).collect();
    let mut keys = BTreeSet::new();
    for source in &value.source {
        let key = source.write_key.as_ref();
        if !keys.insert(key.as_str()) {
            findings.error(
                from,
                source.write_key.span(),
                "duplicate",
                ("another source has this write key", "give each source its own"),
            );
        }
        if key.is_empty() || key.len() > 128 || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            findings.error(
                from,
                source.write_key.span(),
                "write-key",
                ("a write key is made of letters, digits, - and _", "make another one"),
            );
        } else if key.len() < WRITE_KEY_CHARS_MIN && !key.starts_with("wk_") {
            findings.warning(
                from,
                source.write_key.span(),
                "write-key",
                ("a short write key is easily guessed", "use 16 characters or more"),
            );
        }
        for origin in &source.origins {
            if !is_origin(origin.as_ref()) {
                findings.error(
                    from,
                    origin.span(),
                    "origin",
                    ("not an origin", "write scheme://host, :port or :* behind it, no path"),
                );
            }
        }
        for origin in &source.callback_origins {
            let text = origin.as_ref();
            let is_here = ["http://localhost", "http://127.0.0.1"].iter().any(|here| text.starts_with(here));
            if !is_origin(text) || text.ends_with(":*") || !(text.starts_with("https://") || is_here) {
                let words = ("not an origin that is called back", "write https://host, :port behind it, no path");
                findings.error(from, origin.span(), "origin", words);
            }
        }
        if let Some(notice) = &source.notice {
            known(from, notice, "notice", &notices, findings);
        }
        super::sign_in::lint(from, source, findings);
        let heeds = source.heeds_suppression.as_ref().map_or(source.kind == SourceKind::Import, |heeds| *heeds.as_ref());
        if heeds && source.records_decisions {
            let words = (
                "with its public key anybody could find out who asked not to be brought back",
                "remove records_decisions; a secret key with the scope consents:write records decisions",
            );
            findings.error(from, source.id.span(), "suppression", words);
        }
        if *source.rate_per_s.as_ref() == 0 {
            findings.error(
                from,
                source.rate_per_s.span(),
                "rate",
                ("a source that may send nothing", "set rate_per_s to 1 or more"),
            );
        }
    }
}

fn is_origin(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) else { return false };
    let (host, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((v6, port)) => (v6, port),
        None => rest.find(':').map_or((rest, ""), |at| rest.split_at(at)),
    };
    let host_ok = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c));
    let port_ok = port.is_empty() || port == ":*" || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok());
    host_ok && port_ok
}

fn destinations(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.destinations;
    ids(from, value.destination.iter().map(|d| &d.id), findings);
    let all_purposes = purpose_ids(raw);
    if let Some(extra) = value.destination.get(DESTINATIONS_MAX) {
        let message = format!("more than {DESTINATIONS_MAX} destinations");
        findings.error(from, extra.id.span(), "too-many", (message, "one gateway serves as many"));
    }
    let mut tags: BTreeMap<u32, &str> = BTreeMap::new();
    for destination in &value.destination {
        if destination.purposes.as_ref().is_empty() {
            findings.error(
                from,
                destination.purposes.span(),
                "purposes",
                ("a recipient without a purpose", "say what it uses data for (GDPR Art. 5(1)(b))"),
            );
        }
        for purpose in destination.purposes.as_ref() {
            known(from, purpose, "purpose", &all_purposes, findings);
        }
        if !is_id(destination.domain.as_ref(), "-") {
            findings.error(from, destination.domain.span(), "domain", ("a domain is made of a-z, 0-9 and -", "rename it"));
        }
        for field in &destination.fields {
            let path = field.as_ref().strip_suffix(".*").unwrap_or_else(|| field.as_ref());
            if !is_field(path) && !["traits", "properties", "context", "preferences"].contains(&path) && !is_preference(path) {
                findings.error(
                    from,
                    field.span(),
                    "field",
                    (
                        format!("`{}` is no field of an event", field.as_ref()),
                        "begin with properties., traits., context. or preferences.; .* takes all below",
                    ),
                );
            }
        }
        kind(from, destination, findings);
        erasure::lint(from, destination, findings);
        forms(raw, destination, findings);
        let id = destination.id.as_ref().as_str();
        if let Some(other) = tags.insert(crc32fast::hash(id.as_bytes()), id).filter(|o| *o != id) {
            findings.error(
                from,
                destination.id.span(),
                "tag",
                (format!("its ID has the same checksum as `{other}`"), "rename one of them"),
            );
        }
    }
    if value.destination.iter().filter(|d| *d.kind.as_ref() == RawKind::Profile).count() > 1 {
        findings.error(
            from,
            0..0,
            "one-profile",
            ("there is one embedded profile store", "remove the other destinations of kind profile"),
        );
    }
}

fn kind(from: &Text, destination: &RawDestination, findings: &mut Findings) {
    let (file, webhook) = match destination.kind.as_ref() {
        RawKind::Profile => (false, false),
        RawKind::File => (true, false),
        RawKind::Webhook => (false, true),
    };
    if file != destination.path.is_some() {
        findings.error(
            from,
            destination.kind.span(),
            "kind",
            ("`path` belongs to kind file, and only there", "add or remove it"),
        );
    }
    if webhook != destination.url.is_some() {
        findings.error(
            from,
            destination.kind.span(),
            "kind",
            ("`url` belongs to kind webhook, and only there", "add or remove it; an empty url switches it off"),
        );
    }
    for url in destination.url.iter().chain(erasure::urls(destination)).filter(|u| !u.as_ref().is_empty()) {
        let secure = url.as_ref().starts_with("https://");
        let inside = destination.allow_private && url.as_ref().starts_with("http://");
        if !(secure || inside) {
            findings.error(
                from,
                url.span(),
                "url",
                ("nothing leaves but over https", "use https://, or allow_private = true for a service on this machine"),
            );
        }
    }
}

fn forms(raw: &Raw, destination: &RawDestination, findings: &mut Findings) {
    let consent = consent_purposes(&raw.purposes.value);
    let asked = destination.purposes.as_ref().iter().any(|p| consent.contains(p.as_ref().as_str()));
    for form in [&destination.email, &destination.phone].into_iter().flatten() {
        if matches!(form.as_ref(), RawForm::Partner { .. }) && !asked {
            let words = (
                "an unkeyed hash identifies people and needs their consent",
                "add a purpose that rests on consent, or use \"keyed\"",
            );
            findings.error(&raw.destinations.from, form.span(), "partner-form", words);
        }
    }
}

fn routes(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.routes;
    ids(from, value.route.iter().map(|r| &r.id), findings);
    let sources: Vec<&str> = raw.sources.value.source.iter().map(|s| s.id.as_ref().as_str()).collect();
    let destinations: Vec<&str> = raw.destinations.value.destination.iter().map(|d| d.id.as_ref().as_str()).collect();
    let all_purposes = purpose_ids(raw);
    for route in &value.route {
        known(from, &route.destination, "destination", &destinations, findings);
        for source in &route.sources {
            known(from, source, "source", &sources, findings);
        }
        for kind in &route.types {
            known(from, kind, "event type", TYPES, findings);
        }
        for purpose in &route.purposes {
            known(from, purpose, "purpose", &all_purposes, findings);
        }
        for field in &route.drop {
            let path = field.as_ref().strip_suffix(".*").unwrap_or_else(|| field.as_ref());
            if !is_field(path) && !is_preference(path) {
                findings.error(
                    from,
                    field.span(),
                    "field",
                    ("not a field of an event", "begin with properties., traits. or context."),
                );
            }
        }
    }
    for destination in &raw.destinations.value.destination {
        if !value.route.iter().any(|r| r.destination.as_ref() == destination.id.as_ref()) {
            let words = ("no route leads there", "add a route, or remove it");
            findings.warning(&raw.destinations.from, destination.id.span(), "unused", words);
        }
    }
}

fn names(list: &[Spanned<String>]) -> Vec<&str> {
    list.iter().map(|name| name.as_ref().as_str()).collect()
}

/// Whether two languages of a notice are the same but for the words.
fn agree(one: &NoticeFile, other: &NoticeFile) -> bool {
    let layout = |file: &NoticeFile| {
        file.layout.as_ref().map(|layout| (layout.as_ref().version, layout.as_ref().buttons.as_ref().clone()))
    };
    one.version.as_ref() == other.version.as_ref()
        && names(&one.purposes) == names(&other.purposes)
        && names(&one.informs) == names(&other.informs)
        && layout(one) == layout(other)
}

fn notices(raw: &Raw, findings: &mut Findings) {
    let all_purposes = purpose_ids(raw);
    let consent = consent_purposes(&raw.purposes.value);
    let mut asked = BTreeSet::new();
    for (id, _, Parsed { from, value }) in &raw.notices {
        if !is_id(id, "-_") {
            findings.error(from, 0..0, "id", ("a notice's ID is made of a-z, 0-9, - and _", "rename the file"));
        }
        if value.title.as_ref().trim().is_empty() || value.body.as_ref().trim().is_empty() {
            findings.error(from, value.title.span(), "text-missing", ("title and body are what people are shown", "write them"));
        }
        for purpose in &value.purposes {
            known(from, purpose, "purpose", &all_purposes, findings);
            let name = purpose.as_ref().as_str();
            if all_purposes.contains(&name) && !consent.contains(name) {
                let words =
                    ("consent is asked for what needs none", "leave it out; asking would mislead people (EDPB 05/2020, 121)");
                findings.error(from, purpose.span(), "asks-needlessly", words);
            }
            asked.insert(name.to_owned());
        }
        for purpose in &value.informs {
            known(from, purpose, "purpose", &all_purposes, findings);
            if consent.contains(purpose.as_ref().as_str()) {
                let words = ("`informs` is for what nobody is asked for", "name it in `purposes`");
                findings.error(from, purpose.span(), "informs", words);
            }
        }
        let others = raw.notices.iter().filter(|(other, _, _)| other == id).map(|(_, _, n)| &n.value);
        if !others.clone().all(|other| agree(other, value)) {
            let words = ("the languages of this notice differ in version, purposes or layout", "make them the same");
            findings.error(from, value.version.span(), "notice-languages", words);
        }
        for language in &raw.controller.value.languages {
            if !raw.notices.iter().any(|(other, l, _)| other == id && l == language.as_ref()) {
                let message = format!("this notice is missing in `{}`", language.as_ref());
                findings.error(
                    from,
                    0..0,
                    "notice-languages",
                    (message, format!("write notices/{id}.{}.toml", language.as_ref())),
                );
            }
        }
    }
    for purpose in raw.purposes.value.purpose.iter().filter(|p| consent.contains(p.id.as_ref().as_str())) {
        if !asked.contains(purpose.id.as_ref()) {
            let words = ("no notice asks for it, so nobody can grant it knowingly", "add it to a notice");
            findings.warning(&raw.purposes.from, purpose.id.span(), "never-asked", words);
        }
    }
}
