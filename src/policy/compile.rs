//! From what is written to what is worked with: IDs become indexes, purposes become bits, texts get their hashes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use toml::Spanned;

use super::canonical::{canonical, hash};
use super::erasure;
use super::model::{
    Destination, DestinationKind, IdentifierForm, IdentifierType, Layout, LegalBasis, Notice, NoticeText, Policy, Purpose,
    Purposes, Route, Source, SourceKind, Texts,
};
use super::original::Original;
use super::raw::{Raw, RawDestination, RawForm, RawFormName, RawKind, RawPurpose, RawRoute, RawToken};
use super::signals;
use super::terms::TermsSet;

/// Compiles a policy that lint found no error in. `order` says which purposes had which bits before.
pub(super) fn policy(raw: &Raw, order: &[String]) -> Policy {
    let purposes = purposes(&raw.purposes.value.purpose, order);
    let bits = |list: &[Spanned<String>]| set(&purposes, list.iter().map(|id| id.as_ref().as_str()));
    let of_basis = |wanted: fn(LegalBasis) -> bool| {
        set(&purposes, purposes.iter().filter(|p| wanted(p.basis) && !p.is_retired()).map(|p| p.id.as_str()))
    };
    let sources: Vec<Source> = raw
        .sources
        .value
        .source
        .iter()
        .map(|s| Source {
            id: s.id.as_ref().clone(),
            kind: s.kind,
            write_key: s.write_key.as_ref().clone(),
            origins: s.origins.iter().map(|o| o.as_ref().clone()).collect(),
            records_decisions: s.records_decisions,
            trusted_consent_events: s.trusted_consent_events,
            takes_requests: s.takes_requests,
            notice: s.notice.as_ref().map(|n| n.as_ref().clone()),
            token_required: s.token.map_or(s.kind == SourceKind::Website, |token| token == RawToken::Required),
            rate_per_s: *s.rate_per_s.as_ref(),
            callback_origins: s.callback_origins.iter().map(|o| o.as_ref().clone()).collect(),
            sign_in: super::sign_in::compile(s),
            heeds_suppression: s.heeds_suppression.as_ref().map_or(s.kind == SourceKind::Import, |heeds| *heeds.as_ref()),
        })
        .collect();
    let destinations: Vec<Destination> =
        raw.destinations.value.destination.iter().map(|d| destination(d, bits(d.purposes.as_ref()))).collect();
    let routes = raw.routes.value.route.iter().map(|r| route(r, &sources, &destinations, bits(&r.purposes))).collect();
    let linking = raw.purposes.value.linking.as_ref().and_then(|id| purposes.iter().position(|p| p.id == *id.as_ref()));
    let (preferences, channels) = super::preferences::compile(raw, &purposes);
    let written = written(raw);
    let mut policy = Policy {
        version: hash(&written),
        written,
        terms: TermsSet::default(),
        controller: raw.controller.value.controller.as_ref().clone(),
        without_consent: of_basis(|basis| basis != LegalBasis::Consent),
        objectable: of_basis(|basis| basis == LegalBasis::LegitimateInterest),
        linking,
        signals: signals::compile(raw, bits),
        identifiers: identifiers(raw).into(),
        notices: notices(raw, &purposes),
        duties: raw.purposes.value.duty.iter().map(super::duty::compile).collect(),
        proof_years: *raw.purposes.value.proof_years.as_ref(),
        suppression_days: *raw.purposes.value.suppression_days.as_ref(),
        purposes,
        preferences,
        channels,
        sources,
        destinations,
        routes,
    };
    let counted = |id: &str| raw.purposes.value.purpose.iter().find(|p| p.id.as_ref() == id).map_or(1, |p| p.version);
    policy.terms = TermsSet::of(&policy, counted);
    policy
}

/// Purposes that were there before keep their place; those that are gone keep it too, as a placeholder that nothing names.
fn purposes(raw: &[RawPurpose], order: &[String]) -> Vec<Purpose> {
    let kept = order.iter().map(|id| raw.iter().find(|p| p.id.as_ref() == id).map_or_else(|| retired(id), purpose));
    let new = raw.iter().filter(|p| !order.contains(p.id.as_ref())).map(purpose);
    kept.chain(new).collect()
}

fn retired(id: &str) -> Purpose {
    Purpose {
        id: id.to_owned(),
        basis: LegalBasis::Consent,
        title: Texts::new(),
        text: Texts::new(),
        retention_days: 0,
        consent_days: None,
        double_opt_in: false,
        data: Vec::new(),
        categories: Vec::new(),
    }
}

fn purpose(raw: &RawPurpose) -> Purpose {
    let mut categories = raw.categories.clone();
    categories.push(raw.id.as_ref().clone());
    Purpose {
        id: raw.id.as_ref().clone(),
        basis: *raw.basis.as_ref(),
        title: raw.title.as_ref().clone(),
        text: raw.text.as_ref().clone(),
        retention_days: *raw.retention_days.as_ref(),
        consent_days: raw.consent_days.as_ref().map(|d| *d.as_ref()),
        double_opt_in: raw.double_opt_in.as_ref().is_some_and(|needs| *needs.as_ref()),
        data: raw.data.clone(),
        categories,
    }
}

fn set<'a>(purposes: &[Purpose], ids: impl Iterator<Item = &'a str>) -> Purposes {
    ids.filter_map(|id| purposes.iter().position(|p| p.id == id)).fold(Purposes::NONE, |all, i| all.or(Purposes::one(i)))
}

fn identifiers(raw: &Raw) -> Vec<IdentifierType> {
    let list = raw.identifiers.value.identifier.iter();
    list.map(|i| IdentifierType {
        id: i.id.as_ref().clone(),
        kind: i.kind,
        paths: i.paths.as_ref().clone(),
        limit: i.limit,
        blocked: i.blocked.iter().map(|b| b.to_lowercase()).collect(),
    })
    .collect()
}

fn form(raw: Option<&Spanned<RawForm>>) -> IdentifierForm {
    match raw.map(|f| *f.as_ref()) {
        None | Some(RawForm::Named(RawFormName::Keyed)) => IdentifierForm::Keyed,
        Some(RawForm::Named(RawFormName::None)) => IdentifierForm::None,
        Some(RawForm::Partner { partner }) => IdentifierForm::Partner(partner),
    }
}

fn destination(raw: &RawDestination, purposes: Purposes) -> Destination {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|v| v.as_ref().clone()).filter(|v| !v.is_empty());
    let kind = match raw.kind.as_ref() {
        RawKind::Profile => DestinationKind::Profile,
        RawKind::File => DestinationKind::File { path: text(&raw.path).unwrap_or_else(|| String::from("out")) },
        RawKind::Webhook => {
            DestinationKind::Webhook { url: text(&raw.url), allow_private: raw.allow_private, timeout_ms: raw.timeout_ms }
        }
    };
    Destination {
        id: raw.id.as_ref().clone(),
        kind,
        domain: raw.domain.as_ref().clone(),
        purposes,
        fields: raw.fields.iter().map(|f| f.as_ref().clone()).collect(),
        url_parameters: raw.url_parameters.clone(),
        email: form(raw.email.as_ref()),
        phone: form(raw.phone.as_ref()),
        consent: raw.consent,
        truncated_ip: raw.truncated_ip,
        retry_days: raw.retry_days,
        erasure: erasure::compile(raw),
    }
}

fn route(raw: &RawRoute, sources: &[Source], destinations: &[Destination], own: Purposes) -> Route {
    let destination = destinations.iter().position(|d| d.id == *raw.destination.as_ref()).unwrap_or_default();
    let purposes = destinations.get(destination).map_or(own, |d| d.purposes.or(own));
    Route {
        id: raw.id.as_ref().clone(),
        sources: raw.sources.iter().filter_map(|id| sources.iter().position(|s| s.id == *id.as_ref())).collect(),
        types: raw.types.iter().map(|t| t.as_ref().clone()).collect(),
        events: raw.events.clone(),
        destination,
        purposes,
        drop: raw.drop.iter().map(|d| d.as_ref().clone()).collect(),
    }
}

fn notices(raw: &Raw, purposes: &[Purpose]) -> Vec<Notice> {
    let controller = raw.controller.value.controller.as_ref();
    let mut notices: BTreeMap<&str, Notice> = BTreeMap::new();
    for (id, language, parsed) in &raw.notices {
        let file = &parsed.value;
        let find = |name: &Spanned<String>| purposes.iter().position(|p| p.id == *name.as_ref());
        let entry = notices.entry(id).or_insert_with(|| Notice {
            id: id.clone(),
            version: *file.version.as_ref(),
            purposes: set(purposes, file.purposes.iter().map(|name| name.as_ref().as_str())),
            shown: file.purposes.iter().chain(&file.informs).filter_map(find).collect(),
            layout: file.layout.as_ref().map(|layout| {
                let layout = layout.as_ref();
                Layout { version: layout.version, buttons: layout.buttons.as_ref().clone() }
            }),
            languages: BTreeMap::new(),
        });
        let shown = canonical(&Original::of(entry, (language, file), purposes, controller));
        let (title, body) = (file.title.as_ref().clone(), file.body.as_ref().clone());
        let text = NoticeText { title, body, hash: hash(&shown), shown };
        entry.languages.insert(language.clone(), text);
    }
    notices.into_values().collect()
}

/// Everything that is written, in its one form: whatever its order, spacing and comments.
fn written(raw: &Raw) -> String {
    let parse = |text: &str| toml::from_str::<Value>(text).unwrap_or(Value::Null);
    let notices: BTreeMap<String, Value> =
        raw.notices.iter().map(|(id, language, n)| (format!("{id}.{language}"), parse(&n.from.text))).collect();
    let mut all = json!({
        "controller": parse(&raw.controller.from.text),
        "purposes": parse(&raw.purposes.from.text),
        "identifiers": parse(&raw.identifiers.from.text),
        "sources": parse(&raw.sources.from.text),
        "destinations": parse(&raw.destinations.from.text),
        "routes": parse(&raw.routes.from.text),
        "preferences": raw.preferences.as_ref().map(|preferences| parse(&preferences.from.text)),
        "notices": notices,
    });
    if let (Some(signals), Some(all)) = (&raw.signals, all.as_object_mut()) {
        all.insert(String::from("signals"), parse(&signals.from.text));
    }
    canonical(&all)
}
