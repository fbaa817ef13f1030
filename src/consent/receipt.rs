//! Receipts: what a person holds in their hands of a decision, and anybody can check offline.
//!
//! A receipt says what was decided (ISO/IEC TS 27560, written in the W3C Data Privacy Vocabulary), and proves that exactly this was
//! recorded then: the statement and the salt give the entry of the ledger, and the proof leads from there to a signed head.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{DECISIONS, DecisionKey, aad};
use super::{Consents, Decision, Error, PAGE, State, Statement};
use crate::clock::{Millis, rfc3339};
use crate::id::SubjectId;
use crate::ledger::{self, Commitment, Evidence, SALT_BYTES};
use crate::policy::{LegalBasis, Policy, Purpose};
use crate::vault::{self, DataKey, Sealed, Vault};

/// What kind of statement a receipt is (`typ` of the JWS).
pub const RECEIPT: &str = "pforte-receipt+jwt";

/// Where a receipt is fetched. Whoever has it may have the receipt; nobody can guess it or make one, and it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    const PREFIX: &'static str = "rcp_";
    const AAD: &'static [u8] = b"receipt";

    pub(super) fn of(vault: &Vault, place: DecisionKey) -> Result<Self, vault::Error> {
        let plain = [place.subject.0.as_slice(), &place.number.to_be_bytes()].concat();
        let sealed = vault.log_key().handles().seal(Self::AAD, &plain)?;
        Ok(Self(format!("{}{}", Self::PREFIX, hex::encode(sealed))))
    }

    fn place(vault: &Vault, text: &str) -> Option<DecisionKey> {
        let sealed = hex::decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        let plain = vault.log_key().handles().open(Self::AAD, &sealed).ok()?;
        let (subject, number) = plain.split_first_chunk::<16>()?;
        Some(DecisionKey { subject: SubjectId(*subject), number: u32::from_be_bytes(number.try_into().ok()?) })
    }
}

impl std::fmt::Display for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The company.
    pub iss: String,
    /// When it was made out, in seconds since 1970.
    pub iat: i64,
    /// The entry of the ledger, in hexadecimal digits. It is the receipt's name as well.
    pub jti: String,
    /// The record as JSON-LD: ISO/IEC TS 27560 in the Data Privacy Vocabulary.
    pub receipt: Value,
    /// What the entry commits to.
    pub statement: Statement,
    /// The entry's salt, in hexadecimal digits.
    pub salt: String,
    /// That the entry stands in the ledger.
    pub ledger: Evidence,
}

/// Why a receipt does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The statement is not what the entry commits to.
    #[error("the entry of the ledger does not commit to this statement")]
    Statement,
    /// The ledger does not have the entry.
    #[error(transparent)]
    Ledger(#[from] ledger::Doubt),
}

impl Receipt {
    /// Checks that exactly this statement stands in the ledger, with the log's key, or else the one in the receipt.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn check(&self, log_key: Option<&str>) -> Result<ledger::Head, Doubt> {
        let mut salt = [0; SALT_BYTES];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_no_salt| Doubt::Statement)?;
        let commitment = self.statement.commitment(&salt).filter(|c| hex::encode(c.0) == self.jti).ok_or(Doubt::Statement)?;
        Ok(self.ledger.check(log_key, &commitment)?)
    }
}

/// What a receipt is made of, before the ledger is asked.
#[derive(Clone, Debug)]
pub struct Stated {
    statement: Statement,
    salt: [u8; SALT_BYTES],
    /// The entry.
    pub commitment: Commitment,
}

impl Consents {
    /// What a receipt is made of; none if there is no such decision (any more).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn stated(&self, handle: &str) -> Result<Option<Stated>, Error> {
        let Some(place) = Handle::place(&self.vault, handle) else { return Ok(None) };
        let Some((key, decision)) = self.decision_at(place)? else { return Ok(None) };
        let (statement, salt, commitment) = Statement::of(&key, place, &decision)?;
        Ok(Some(Stated { statement, salt, commitment }))
    }
}

/// A decision, and where its receipt is fetched.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where.
    pub receipt: Handle,
    /// The decision.
    pub decision: Decision,
}

impl Consents {
    /// Everything that a subject decided, oldest first, for the person themself.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn told(&self, subject: SubjectId) -> Result<Vec<Told>, Error> {
        let told = |(number, decision)| Ok(Told { receipt: Handle::of(&self.vault, DecisionKey { subject, number })?, decision });
        self.numbered(subject)?.into_iter().map(told).collect()
    }

    /// The same with their numbers, and without handles.
    pub(super) fn numbered(&self, subject: SubjectId) -> Result<Vec<(u32, Decision)>, Error> {
        let key = self.vault.key(subject)?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = DECISIONS.scan(&self.store, &subject.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(*last);
            for (place, Sealed(sealed)) in &page {
                let decision = serde_json::from_slice(&key.open(&aad(b"decision", subject, place.number), sealed)?)?;
                all.push((place.number, decision));
            }
        }
    }

    /// Whose decision a receipt is of, and the decision; none if there is no such receipt (any more).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn behind(&self, handle: &str) -> Result<Option<(SubjectId, Decision)>, Error> {
        let Some(place) = Handle::place(&self.vault, handle) else { return Ok(None) };
        let Some((_, decision)) = self.decision_at(place)? else { return Ok(None) };
        Ok(Some((place.subject, decision)))
    }

    /// A decision with its owner's key; none if either is gone.
    fn decision_at(&self, place: DecisionKey) -> Result<Option<(DataKey, Decision)>, Error> {
        let key = match self.vault.key(place.subject) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(Sealed(sealed)) = DECISIONS.get(&self.store, &place)? else { return Ok(None) };
        let decision = serde_json::from_slice(&key.open(&aad(b"decision", place.subject, place.number), &sealed)?)?;
        Ok(Some((key, decision)))
    }
}

/// A decision with what proves it.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The decision.
    pub decision: Decision,
    /// Where its receipt is fetched.
    pub receipt: Handle,
    /// The entry of the ledger.
    pub commitment: Commitment,
}

impl Consents {
    /// All decisions of a subject with what proves them, the newest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn proofs(&self, subject: SubjectId) -> Result<Vec<Proven>, Error> {
        let (key, mut all) = (self.vault.key(subject)?, Vec::new());
        for (number, decision) in self.numbered(subject)? {
            let place = DecisionKey { subject, number };
            let (_, _, commitment) = Statement::of(&key, place, &decision)?;
            all.push(Proven { receipt: Handle::of(&self.vault, place)?, decision, commitment });
        }
        all.reverse();
        Ok(all)
    }
}

impl Stated {
    /// The receipt, ready to be signed. Texts of purposes are those of the policy in force.
    #[must_use]
    pub fn receipt(self, ledger: Evidence, policy: &Policy, at: Millis) -> Receipt {
        let jti = hex::encode(self.commitment.0);
        let record = record(&self.statement, policy, &jti);
        let receipt = json!({
            "@context": {
                "dpv": "https://w3id.org/dpv#",
                "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
                "dct": "http://purl.org/dc/terms/",
                "spdx": "http://spdx.org/rdf/terms#",
            },
            "@type": "dpv:ConsentReceipt",
            "dct:conformsTo": "https://w3id.org/dpv/schema/dpv-27560#receipt",
            "dct:identifier": jti,
            "dct:issued": rfc3339(at),
            "dct:publisher": policy.controller.name,
            "dpv:hasRecordOfActivity": record,
        });
        Receipt {
            iss: policy.controller.name.clone(),
            iat: at / 1000,
            jti,
            receipt,
            statement: self.statement,
            salt: hex::encode(self.salt),
            ledger,
        }
    }
}

/// The consent record (ISO/IEC TS 27560, clauses 6.3 to 6.6).
fn record(statement: &Statement, policy: &Policy, id: &str) -> Value {
    let processes: Vec<Value> =
        statement.decisions.iter().map(|(purpose, state)| process(statement, policy, (purpose.as_str(), *state))).collect();
    let notice = statement.notice.as_ref().map(|notice| {
        json!({
            "@type": "dpv:ConsentNotice",
            "dct:identifier": notice.id,
            "dct:hasVersion": notice.version,
            "dct:language": notice.language,
            "spdx:checksum": {"spdx:algorithm": "SHA-256", "spdx:checksumValue": notice.hash},
        })
    });
    json!({
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr",
        "dct:identifier": id,
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": statement.person},
        "dpv:hasDataController": {
            "@type": "dpv:DataController",
            "dpv:hasName": policy.controller.name,
            "dpv:hasAddress": policy.controller.address,
            "dpv:hasContact": policy.controller.contact,
        },
        "dpv:hasProcess": processes,
        "dpv:hasNotice": notice,
        "dpv:hasJurisdiction": policy.controller.country,
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dpv:hasContact": policy.controller.contact},
        "dpv:hasRight": ["eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A18", "eu-gdpr:A20", "eu-gdpr:A21", "eu-gdpr:A77"],
        "dct:source": statement.source,
    })
}

fn process(statement: &Statement, policy: &Policy, (id, state): (&str, State)) -> Value {
    let index = policy.purpose(id);
    let purpose = index.and_then(|index| policy.purposes.get(index));
    let uses = |d: &&crate::policy::Destination| d.is_on() && index.is_some_and(|index| d.purposes.has(index));
    let recipients: Vec<Value> = policy
        .destinations
        .iter()
        .filter(uses)
        .map(|destination| json!({"@type": "dpv:Recipient", "dpv:hasName": destination.id}))
        .collect();
    json!({
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "dct:identifier": id,
            "dct:title": purpose.map(|purpose| &purpose.title),
            "dct:description": purpose.map(|purpose| &purpose.text),
        },
        "dpv:hasPersonalData": purpose.map(|purpose| &purpose.data),
        "dpv:hasRecipient": recipients,
        "dpv:hasStorageCondition": purpose.map(|purpose| json!({"@type": "dpv:StorageDuration", "dpv:hasDuration": format!("P{}D", purpose.retention_days)})),
        "dpv:hasLegalBasis": purpose.map(basis),
        "dpv:hasConsentStatus": statuses(statement, (id, state)),
    })
}

/// What was said about one purpose; before a confirmation, what it confirms.
fn statuses(statement: &Statement, (id, state): (&str, State)) -> Vec<Value> {
    let one = |kind: &str, at: &str, valid: Option<&String>| {
        json!({
            "@type": kind,
            "dpv:isIndicatedBy": "dpv:DataSubject",
            "dpv:hasIndicationMethod": statement.method,
            "dpv:isIndicatedAtTime": at,
            "dct:valid": valid,
        })
    };
    let opt_in = statement.double_opt_in.as_ref();
    let before = opt_in.and_then(|opt_in| opt_in.asked_at.as_ref()).map(|at| one(status(State::Pending), at, None));
    let until = if state == State::Pending { opt_in.and_then(|o| o.until.as_ref()) } else { statement.expires.get(id) };
    before.into_iter().chain([one(status(state), &statement.at, until)]).collect()
}

const fn status(state: State) -> &'static str {
    match state {
        State::Granted => "dpv:ConsentGiven",
        State::Denied => "dpv:ConsentRefused",
        State::Withdrawn => "dpv:ConsentWithdrawn",
        State::Pending => "dpv:ConsentRequested",
    }
}

const fn basis(purpose: &Purpose) -> &'static str {
    match purpose.basis {
        LegalBasis::Consent => "eu-gdpr:A6-1-a",
        LegalBasis::Contract => "eu-gdpr:A6-1-b",
        LegalBasis::LegalObligation => "eu-gdpr:A6-1-c",
        LegalBasis::LegitimateInterest => "eu-gdpr:A6-1-f",
    }
}
