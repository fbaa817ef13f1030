//! What a person was shown when they decided, as far as it can be told, and when they are asked again.

use super::token::Token;
use super::{Error, Method, NoticeShown, Order, Standpoint, State};
use crate::clock::{DAY_MS, Millis};
use crate::policy::{LegalBasis, Notice, Purpose};

/// What is said about what was shown, besides which notice in which language.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The hash of what the page has shown.
    pub hash: Option<String>,
    /// The version of the layout in which it was drawn.
    pub layout: Option<u32>,
    /// That nothing was preselected; without it nobody says.
    pub nothing_preselected: bool,
    /// The token that the notice was handed out with.
    pub token: Option<Token>,
}

/// Whether somebody must be asked for a purpose: nothing stands, what they said was said to less than what would be done now, a grant is
/// past, or a refusal is as old as a grant could become. Whoever refused is asked again no sooner than whoever agreed. What a mail has to
/// confirm is no reason to ask a device again.
#[must_use]
pub fn asks(purpose: &Purpose, stands: Option<Standpoint>, to_less: bool, at: Millis) -> bool {
    if purpose.basis != LegalBasis::Consent || purpose.double_opt_in {
        return false;
    }
    let Some((state, since, expires)) = stands.filter(|_| !to_less) else { return true };
    let ends = match state {
        State::Granted | State::Pending => expires,
        State::Denied | State::Withdrawn => purpose.consent_days.map(|days| since.saturating_add(Millis::from(days) * DAY_MS)),
    };
    ends.is_some_and(|end| end <= at)
}

/// The notice that an order is about: the one it names, or the source's. It must be the one in force.
pub(super) fn notice(order: &Order) -> Result<Option<NoticeShown>, Error> {
    let (policy, shown) = (&order.policy, &order.besides.shown);
    let source = policy.sources.get(order.source);
    // A browser's signal answers no notice, and what another tool has shown is in its evidence.
    let answers = order.method != Method::Signal && order.besides.evidence.is_none();
    let usual = source.and_then(|source| source.notice.as_ref()).filter(|_| answers);
    let Some(id) = order.notice.as_ref().or(usual) else {
        return Ok(None);
    };
    let known = policy.notice(id).ok_or(Error::NoNotice)?;
    let language = order.language.as_deref().unwrap_or(&policy.controller.language);
    let text = known.languages.get(language).ok_or(Error::NoNotice)?;
    let layout = known.layout.as_ref().map(|layout| layout.version);
    let is_other = shown.hash.as_ref().is_some_and(|hash| *hash != text.hash);
    if is_other || shown.layout.is_some_and(|version| Some(version) != layout) {
        return Err(Error::NoticeOutdated { notice: known.id.clone(), version: known.version });
    }
    refuse_more(order, known)?;
    Ok(Some(NoticeShown {
        id: known.id.clone(),
        version: known.version,
        language: language.to_owned(),
        hash: text.hash.clone(),
        layout: shown.layout,
        preselected: shown.nothing_preselected.then(Vec::new),
        handed: shown.token.as_ref().map(Token::handed),
    }))
}

/// Nobody can have agreed to what they were not asked for. They can refuse it.
fn refuse_more(order: &Order, notice: &Notice) -> Result<(), Error> {
    let more = order.decisions.iter().find(|(index, granted)| *granted && !notice.purposes.has(*index));
    let purpose = more.and_then(|(index, _)| order.policy.purposes.get(*index));
    purpose.map_or(Ok(()), |purpose| Err(Error::NotInNotice { purpose: purpose.id.clone(), notice: notice.id.clone() }))
}
