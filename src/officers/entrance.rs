//! The way in: a password and a code together, the same answer whatever is wrong, and waiting for whoever guesses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

use super::attempts::Lane;
use super::record::{Account, Proofs};
use super::{Error, Officer, Officers, PASSWORD_CHARS_MAX, factor, invitation};
use crate::audit::Entry;
use crate::clock::{DAY_MS, Millis};
use crate::limit;
use crate::password;

/// How many tries in vain are noted in an hour; what strangers do must not fill the audit.
const VAIN_NOTED_PER_HOUR: u32 = 600;

/// Somebody who wants in.
pub struct Attempt<'a> {
    /// The name that was typed.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// A code of the authenticator, or a recovery code.
    pub code: &'a str,
    /// What [`Entrance::browser`] was at an earlier time in this browser.
    pub browser: Option<&'a str>,
    /// Where it comes from.
    pub client: IpAddr,
}

/// Somebody who was let in.
#[derive(Debug)]
pub struct Entrance {
    /// Who.
    pub officer: Officer,
    /// By which the browser is known from now on. It proves nothing alone.
    pub browser: String,
    /// How many recovery codes are left, if one was used.
    pub recovery_left: Option<usize>,
}

impl Officers {
    /// Lets somebody in who knows the password and has the second factor.
    ///
    /// # Errors
    /// [`Error::Refused`], whatever is wrong; [`Error::Wait`] after too many tries; [`Error::Busy`].
    pub async fn sign_in(&self, attempt: &Attempt<'_>, at: Millis) -> Result<Entrance, Error> {
        let lanes = self.lanes(attempt);
        self.attempts.begin(&lanes, at).map_err(|seconds| Error::Wait { seconds })?;
        let outcome = self.try_to_sign_in(attempt, at).await;
        match &outcome {
            Ok(_) => self.attempts.succeeded(&lanes),
            Err(Error::Refused) => {}
            Err(_) => self.attempts.withdrawn(&lanes),
        }
        outcome
    }

    async fn try_to_sign_in(&self, attempt: &Attempt<'_>, at: Millis) -> Result<Entrance, Error> {
        let known = self.known.read().get(attempt.name).copied();
        let account = known.map(|standing| self.read(standing.id)).transpose()?;
        let proofs = account.as_ref().and_then(|(_, account)| account.proofs.clone());
        let right = self.is_password(attempt.password, proofs.as_ref()).await?;
        let spent = self.spend(attempt.code, attempt.name, proofs, at)?;
        let (Some((sealed, account)), Some(standing), Some(proofs), true) = (account, known, spent, right) else {
            self.note_vain(attempt.name, known.is_some(), at);
            return Err(Error::Refused);
        };
        let recovery_left = (!proofs.1).then_some(proofs.0.recovery.len());
        let account = Account { signed_in_at: Some(at), proofs: Some(proofs.0), ..account };
        let what = if recovery_left.is_some() { "signed_in_by_recovery" } else { "signed_in" };
        let entry = Entry::new(at, &format!("{}{}", Officer::PREFIX, account.name), what, None);
        // Whoever uses the same code at the same moment finds that the account has changed.
        match self.put(standing.id, (Some(&sealed), &account), &entry).await {
            Err(Error::Conflict) => return Err(Error::Refused),
            done => done?,
        }
        let officer =
            self.find(&account.name).filter(|officer| officer.generation == account.generation).ok_or(Error::Refused)?;
        Ok(Entrance { browser: self.browser(&officer.name)?, officer, recovery_left })
    }

    /// Where a try counts. What a known browser tries counts for nobody else, and what others try does not count for it.
    fn lanes(&self, attempt: &Attempt<'_>) -> Vec<Lane> {
        let name = if invitation::is_name(attempt.name) { attempt.name } else { "" };
        if let Some(nonce) = attempt.browser.and_then(|browser| self.nonce_of(name, browser)) {
            return vec![Lane::Known(name.to_owned(), nonce)];
        }
        vec![Lane::Strangers(name.to_owned()), Lane::client(attempt.client)]
    }

    /// The number of a browser that was signed in to this account.
    fn nonce_of(&self, name: &str, browser: &str) -> Option<[u8; 16]> {
        let (nonce, _) = browser.split_once('.')?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(nonce, &mut bytes).ok()?;
        // Compared by keyed digests, so that the time it takes tells nothing.
        let digest = |text: &str| self.vault.mac("officers/compared", text.as_bytes());
        (digest(browser) == digest(&self.known_browser(name, nonce))).then_some(bytes)
    }

    fn browser(&self, name: &str) -> Result<String, Error> {
        Ok(self.known_browser(name, &hex::encode(self.chance.bytes::<16>()?)))
    }

    fn known_browser(&self, name: &str, nonce: &str) -> String {
        let mac = self.vault.mac("officers/browser", format!("{name}\n{nonce}").as_bytes());
        format!("{nonce}.{}", hex::encode(mac))
    }

    /// Whether this is the password. It takes as long if there is none.
    pub(super) async fn is_password(&self, tried: &str, proofs: Option<&Proofs>) -> Result<bool, Error> {
        let hash = proofs.map_or_else(|| Arc::clone(&self.nobody), |proofs| proofs.password.as_str().into());
        let tried = as_typed(tried);
        let right = self.at_work(move || password::is(&tried, &hash)).await?;
        Ok(right && proofs.is_some())
    }

    pub(super) async fn hash(&self, new: &str) -> Result<String, Error> {
        let (new, salt) = (as_typed(new), self.chance.bytes()?);
        Ok(self.at_work(move || password::hash(&new, &salt)).await??)
    }

    /// Does what takes argon2's time and memory, a few at a time, beside the runtime.
    async fn at_work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let wait = tokio::time::timeout(Duration::from_millis(limit::GUESS_WAIT_MS), self.slots.acquire());
        let Ok(Ok(_slot)) = wait.await else { return Err(Error::Busy) };
        tokio::task::spawn_blocking(work).await.map_err(|_panicked| Error::Busy)
    }

    /// What is left of the proofs after a code was used, and whether it was one of the authenticator; `None` if it is not right.
    fn spend(&self, code: &str, name: &str, proofs: Option<Proofs>, at: Millis) -> Result<Option<(Proofs, bool)>, Error> {
        let secret = proofs.as_ref().map_or_else(|| Ok(vec![0; 20]), |proofs| hex::decode(&proofs.totp));
        let secret = secret.map_err(|error| Error::Factor(error.to_string()))?;
        let (step, digest) = (factor::step(&secret, code, at)?, factor::digest(&self.vault, name, code));
        let Some(mut proofs) = proofs else { return Ok(None) };
        if let Some(step) = step.filter(|step| *step > proofs.last_step) {
            proofs.last_step = step;
            return Ok(Some((proofs, true)));
        }
        let before = proofs.recovery.len();
        proofs.recovery.retain(|known| *known != digest);
        Ok((proofs.recovery.len() < before).then_some((proofs, false)))
    }

    /// Notes a try in vain, for accounts that exist and for others, beside the answer: how long it takes tells nothing.
    fn note_vain(&self, name: &str, exists: bool, at: Millis) {
        {
            let mut vain = self.vain.lock();
            if at.saturating_sub(vain.0) >= DAY_MS / 24 {
                *vain = (at, 0);
            }
            vain.1 += 1;
            if vain.1 > VAIN_NOTED_PER_HOUR {
                return;
            }
        }
        // What was typed in place of a name may be a password.
        let who = if exists { format!("{}{name}", Officer::PREFIX) } else { String::from("nobody") };
        let (audit, entry) = (Arc::clone(&self.audit), Entry::new(at, &who, "sign_in_failed", None));
        drop(tokio::spawn(async move {
            if let Err(error) = audit.note(&entry).await {
                tracing::error!(%error, "a try in vain could not be noted");
            }
        }));
    }
}

/// A password as it is compared: however a keyboard writes a letter, it is the same one (NIST SP 800-63B, 3.1.1.2).
fn as_typed(text: &str) -> String {
    text.nfkc().take(PASSWORD_CHARS_MAX + 1).collect()
}
