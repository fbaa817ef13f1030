//! Why an event stays, as a code for machines and as a sentence for people.

use crate::policy::{Policy, Purposes, Texts};

/// Why an event stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody has decided about a purpose that needs consent.
    NoDecision,
    /// The person said no, or withdrew.
    Denied,
    /// Somebody that this event is known to be linked to said no.
    DeniedByLink,
    /// The person objected to a purpose under legitimate interest (Art. 21).
    Objected,
    /// The processing of the person's data is restricted (Art. 18).
    Restricted,
    /// The person asked not to be brought back by sources that take data over.
    Suppressed,
    /// The person was asked by mail to confirm it, and has not.
    Unconfirmed,
    /// A grant was too old.
    Expired,
    /// A grant was given for less than what would be done now.
    TermsChanged,
    /// The event's own consent object allows less than what was granted.
    NarrowedByEvent,
    /// The event has a consent object that cannot be read, so it allows nothing.
    ConsentObjectMalformed,
    /// The event states no identifier, so nobody's decision can hold for it.
    NoIdentifier,
    /// The policy sends no such event there.
    NoRoute,
    /// The destination has no address and takes nothing.
    DestinationOff,
    /// Route and destination name no purpose, so there is no basis for sending.
    NoPurpose,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoDecision,
        Self::Denied,
        Self::DeniedByLink,
        Self::Objected,
        Self::Restricted,
        Self::Suppressed,
        Self::Unconfirmed,
        Self::Expired,
        Self::TermsChanged,
        Self::NarrowedByEvent,
        Self::ConsentObjectMalformed,
        Self::NoIdentifier,
        Self::NoRoute,
        Self::DestinationOff,
        Self::NoPurpose,
    ];

    /// The code, for machines and counters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoDecision => "no_decision",
            Self::Denied => "denied",
            Self::DeniedByLink => "denied_by_link",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
            Self::Suppressed => "suppressed",
            Self::Unconfirmed => "unconfirmed",
            Self::Expired => "expired",
            Self::TermsChanged => "terms_changed",
            Self::NarrowedByEvent => "narrowed_by_event",
            Self::ConsentObjectMalformed => "consent_object_malformed",
            Self::NoIdentifier => "no_identifier",
            Self::NoRoute => "no_route",
            Self::DestinationOff => "destination_off",
            Self::NoPurpose => "no_purpose",
        }
    }

    /// The sentence, in German for `de…` and in English otherwise. `purposes` are titles as [`titles`] joins them.
    #[must_use]
    pub fn sentence(self, lang: &str, purposes: &str, destination: &str) -> String {
        if is_german(lang) { self.german(purposes, destination) } else { self.english(purposes, destination) }
    }

    fn german(self, purposes: &str, destination: &str) -> String {
        let stays = format!("deshalb geht dieses Ereignis nicht an „{destination}“.");
        match self {
            Self::NoDecision => format!("Sie haben zu {purposes} noch nichts entschieden, {stays}"),
            Self::Denied => format!("Sie haben {purposes} nicht zugestimmt, {stays}"),
            Self::DeniedByLink => format!(
                "Ein Gerät oder ein Kundenkonto, das mit diesem Ereignis verbunden ist, hat {purposes} nicht zugestimmt, {stays}"
            ),
            Self::Objected => format!("Sie haben {purposes} widersprochen, {stays}"),
            Self::Restricted => format!("Die Verarbeitung Ihrer Daten ist eingeschränkt, {stays}"),
            Self::Suppressed => format!("Sie haben gebeten, nicht wieder aus anderen Quellen übernommen zu werden, {stays}"),
            Self::Unconfirmed => format!("Sie haben {purposes} noch nicht mit dem Link in unserer Mail bestätigt, {stays}"),
            Self::Expired => format!("Ihre Zustimmung zu {purposes} ist abgelaufen, {stays}"),
            Self::TermsChanged => {
                format!("Ihre Zustimmung zu {purposes} haben Sie für weniger gegeben, als heute damit geschähe, {stays}")
            }
            Self::NarrowedByEvent => {
                format!("Die Website oder App hat für dieses Ereignis keine Zustimmung zu {purposes} mitgegeben, {stays}")
            }
            Self::ConsentObjectMalformed => {
                format!("Die mitgeschickte Angabe zur Zustimmung zu {purposes} ist nicht lesbar und gilt als Nein, {stays}")
            }
            Self::NoIdentifier => {
                format!("Das Ereignis sagt nicht, zu wem es gehört, und niemandes Zustimmung kann dafür gelten, {stays}")
            }
            Self::NoRoute => format!("Ereignisse dieser Art gehen nach den Regeln dieses Hauses nicht an „{destination}“."),
            Self::DestinationOff => format!("„{destination}“ ist ausgeschaltet und bekommt keine Ereignisse."),
            Self::NoPurpose => {
                format!("Für „{destination}“ ist kein Zweck festgelegt, und ohne Zweck wird nichts weitergegeben.")
            }
        }
    }

    fn english(self, purposes: &str, destination: &str) -> String {
        let stays = format!("so this event does not go to “{destination}”.");
        match self {
            Self::NoDecision => format!("You have not decided about {purposes} yet, {stays}"),
            Self::Denied => format!("You have not agreed to {purposes}, {stays}"),
            Self::DeniedByLink => {
                format!("A device or customer account that this event is linked to has not agreed to {purposes}, {stays}")
            }
            Self::Objected => format!("You have objected to {purposes}, {stays}"),
            Self::Restricted => format!("The processing of your data is restricted, {stays}"),
            Self::Suppressed => format!("You have asked not to be taken over from other sources again, {stays}"),
            Self::Unconfirmed => format!("You have not confirmed {purposes} by the link in our mail yet, {stays}"),
            Self::Expired => format!("Your consent to {purposes} has expired, {stays}"),
            Self::TermsChanged => format!("You agreed to {purposes} for less than what would be done today, {stays}"),
            Self::NarrowedByEvent => {
                format!("The website or app sent no consent to {purposes} along with this event, {stays}")
            }
            Self::ConsentObjectMalformed => {
                format!("What was sent about consent to {purposes} cannot be read and counts as a no, {stays}")
            }
            Self::NoIdentifier => {
                format!("The event does not say whose it is, and nobody's consent can hold for it, {stays}")
            }
            Self::NoRoute => format!("By the rules of this house, events of this kind do not go to “{destination}”."),
            Self::DestinationOff => format!("“{destination}” is switched off and gets no events."),
            Self::NoPurpose => format!("No purpose is set for “{destination}”, and nothing is passed on without a purpose."),
        }
    }
}

/// The sentence for an event that may go.
#[must_use]
pub fn forwarded(lang: &str, purposes: &str, destination: &str) -> String {
    if is_german(lang) {
        format!("Dieses Ereignis geht an „{destination}“, denn {purposes} ist dafür erlaubt.")
    } else {
        format!("This event goes to “{destination}”, because {purposes} is allowed for it.")
    }
}

/// The titles of the purposes in the set, quoted and joined in the language: `„Analyse“ und „Personalisierung“`.
#[must_use]
pub fn titles(policy: &Policy, set: Purposes, lang: &str) -> String {
    let german = is_german(lang);
    let mut quoted: Vec<String> = policy
        .purposes
        .iter()
        .enumerate()
        .filter(|(index, _)| set.has(*index))
        .map(|(_, purpose)| {
            let title = title(&purpose.title, lang, &policy.controller.language).unwrap_or(&purpose.id);
            if german { format!("„{title}“") } else { format!("“{title}”") }
        })
        .collect();
    let Some(last) = quoted.pop() else { return String::new() };
    if quoted.is_empty() {
        return last;
    }
    format!("{} {} {last}", quoted.join(", "), if german { "und" } else { "and" })
}

fn title<'a>(texts: &'a Texts, lang: &str, fallback: &str) -> Option<&'a str> {
    let wanted = if is_german(lang) { "de" } else { "en" };
    texts.get(wanted).or_else(|| texts.get(fallback)).or_else(|| texts.values().next()).map(String::as_str)
}

fn is_german(lang: &str) -> bool {
    lang.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("de"))
}
