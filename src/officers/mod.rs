//! People of the company who work here: accounts, what each may do, and how they prove who they are.
//!
//! It **promises**
//! - an account is proven by a password (argon2id) and a second factor (RFC 6238) together; a code works once;
//! - a wrong name, password and code get the same answer after the same work;
//! - whoever guesses has to wait, longer each time; nobody can keep an officer out of a browser that they were signed in with before;
//! - what an officer may do follows from one table ([`AUTHORITIES`]), and is handed out as a value;
//! - another password, factor or role, and the end of an account, end its sessions;
//! - each of these is in the audit, in the same commit; names are never given twice, so that the audit stays clear.
//!
//! It **refuses to know** anything of customers, and what officers are called: an account has a short name of the company's own.

mod attempts;
mod entrance;
mod factor;
pub mod invitation;
mod record;
mod role;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use tokio::sync::{Mutex, Semaphore};
use unicode_normalization::UnicodeNormalization as _;

use attempts::{Attempts, Lane};
pub use entrance::{Attempt, Entrance};
pub use factor::{Picture, Setup};
pub use invitation::Invitation;
use record::{Account, OFFICERS, OfficerId, Proofs};
pub use role::{AUTHORITIES, Admin, Authority, Desk, Dpo, Inspector, Officer, Reader, Role};

use crate::audit::{self, Audit, Entry};
use crate::clock::{Chance, Millis, NoChance};
use crate::limit;
use crate::password;
use crate::store::{self, Batch, Store};
use crate::vault::{self, Sealed, Vault};

/// The shortest password, in characters (NIST SP 800-63B asks for 8; these accounts see requests of people).
pub const PASSWORD_CHARS_MIN: usize = 12;
/// The longest.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// From how many characters on a name must not stand in the password.
const NAME_CHARS_TOLD: usize = 4;
/// How many accounts there can be, those that were removed included.
pub const OFFICERS_MAX: usize = 500;
/// How many records are read at a time.
const PAGE: usize = 64;

/// Why somebody is not let in, or an account cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name, password or code is wrong; which of them is not said.
    #[error("name, password or code is not right")]
    Refused,
    /// There were too many tries in vain.
    #[error("too many tries in vain")]
    Wait {
        /// How long to wait, in seconds.
        seconds: u32,
    },
    /// Too many passwords are being checked.
    #[error("too many passwords are being checked")]
    Busy,
    /// A new password is too short.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// A new password is too long, holds a control character, or the name.
    #[error("a password has at most {PASSWORD_CHARS_MAX} characters, is one line, and does not hold the account's name")]
    Unfit,
    /// The link leads nowhere.
    #[error("the link works no more")]
    NoInvitation,
    /// The name cannot be used.
    #[error("a name has 2 to 40 characters of a-z, 0-9, `.`, `_` and `-`, and begins with a letter")]
    Name,
    /// There is, or was, an account of this name.
    #[error("there is or was an account of this name; names are never given twice")]
    NameTaken,
    /// There is no such account.
    #[error("there is no such account")]
    NoOfficer,
    /// Somebody has to be able to look after accounts.
    #[error("this is the last admin")]
    LastAdmin,
    /// There are too many accounts.
    #[error("there are too many accounts")]
    TooMany,
    /// Somebody else changed the account at the same moment.
    #[error("somebody else changed the account at the same moment")]
    Conflict,
    /// The second factor cannot be worked with.
    #[error("the second factor: {0}")]
    Factor(String),
    /// The folder of invitations cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The audit refused.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A record is of no known form.
    #[error("a record of an account is of no known form")]
    Form(#[from] serde_json::Error),
    /// The operating system has no randomness.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] password::Unhashed),
}

/// An account, as admins see it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What they are.
    pub role: Role,
    /// When it was set up.
    pub created_at: Millis,
    /// Who invited them.
    pub by: String,
    /// When they signed in last.
    pub signed_in_at: Option<Millis>,
    /// When it was removed.
    pub removed_at: Option<Millis>,
}

/// What an account is worth at this moment, without its proofs.
#[derive(Clone, Copy)]
struct Standing {
    id: OfficerId,
    role: Role,
    generation: u32,
    removed: bool,
}

/// All accounts.
pub struct Officers {
    store: Store,
    vault: Arc<Vault>,
    audit: Arc<Audit>,
    chance: Chance,
    folder: PathBuf,
    /// By name. Invariant: what is stored.
    known: RwLock<HashMap<String, Standing>>,
    attempts: Attempts,
    slots: Semaphore,
    /// Accounts change one at a time.
    turn: Mutex<()>,
    /// Verified in place of the hash of an account that does not exist.
    nobody: Arc<str>,
    vain: parking_lot::Mutex<(Millis, u32)>,
}

impl Officers {
    /// Opens the room.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn open(deps: (&Store, &Arc<Vault>, &Arc<Audit>), data: &Path, chance: &Chance) -> Result<Self, Error> {
        let (store, vault, audit) = deps;
        let officers = Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            audit: Arc::clone(audit),
            chance: chance.clone(),
            folder: data.join(invitation::FOLDER),
            known: RwLock::default(),
            attempts: Attempts::default(),
            slots: Semaphore::new(limit::GUESSES_AT_ONCE),
            turn: Mutex::default(),
            nobody: password::hash(&hex::encode(chance.bytes::<32>()?), &chance.bytes()?)?.into(),
            vain: parking_lot::Mutex::default(),
        };
        for (id, account) in officers.accounts()? {
            officers.learn(id, &account);
        }
        Ok(officers)
    }

    /// The officer of this name as they are now; `None` if there is no such account (any more).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Officer> {
        let known = self.known.read();
        let standing = known.get(name).filter(|standing| !standing.removed)?;
        let Standing { id, role, generation, .. } = *standing;
        Some(Officer { holder: id.holder(), name: name.to_owned(), role, generation })
    }

    /// Whether there is any account at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().is_empty()
    }

    /// All accounts, by name, those that were removed as well.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let listed = |(_, account): (OfficerId, Account)| {
            let Account { name, role, created_at, by, signed_in_at, removed_at, .. } = account;
            Listed { name, role, created_at, by, signed_in_at, removed_at }
        };
        let mut all: Vec<Listed> = self.accounts()?.into_iter().map(listed).collect();
        all.sort_by(|a, b| (a.removed_at.is_some(), &a.name).cmp(&(b.removed_at.is_some(), &b.name)));
        Ok(all)
    }

    /// Sets another password. All sessions of the account end.
    ///
    /// # Errors
    /// [`Error::Refused`] if the present one is wrong, [`Error::TooShort`] and [`Error::Unfit`] for the new one.
    pub async fn change_password(&self, officer: &Officer, present: &str, new: &str, at: Millis) -> Result<(), Error> {
        check_password(new, &officer.name)?;
        let lanes = [Lane::Known(officer.name.clone(), [0; 16])];
        self.attempts.begin(&lanes, at).map_err(|seconds| Error::Wait { seconds })?;
        let id = self.known.read().get(&officer.name).map(|standing| standing.id).ok_or(Error::NoOfficer)?;
        let (sealed, mut account) = self.read(id)?;
        if !self.is_password(present, account.proofs.as_ref()).await? {
            return Err(Error::Refused);
        }
        self.attempts.succeeded(&lanes);
        let hash = self.hash(new).await?;
        account.proofs.as_mut().ok_or(Error::NoOfficer)?.password = hash;
        account.generation += 1;
        self.put(id, (Some(&sealed), &account), &Entry::new(at, &officer.who(), "password_changed", None)).await
    }

    /// Makes somebody something else. Their sessions end.
    ///
    /// # Errors
    /// [`Error::NoOfficer`], [`Error::LastAdmin`].
    pub async fn set_role(&self, by: &Admin, name: &str, role: Role, at: Millis) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (id, sealed, account) = self.present(name)?;
        if account.role == role {
            return Ok(());
        }
        self.not_the_last_admin(&account)?;
        let about = format!("{name}: {} → {}", account.role.name(), role.name());
        let account = Account { role, generation: account.generation + 1, ..account };
        self.put(id, (Some(&sealed), &account), &Entry::new(at, by.who(), "role_changed", Some(&about))).await
    }

    /// Removes an account: its proofs go and its sessions end. The name stays taken.
    ///
    /// # Errors
    /// [`Error::NoOfficer`], [`Error::LastAdmin`].
    pub async fn remove(&self, by: &Admin, name: &str, at: Millis) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (id, sealed, account) = self.present(name)?;
        self.not_the_last_admin(&account)?;
        let account = Account { removed_at: Some(at), proofs: None, generation: account.generation + 1, ..account };
        self.put(id, (Some(&sealed), &account), &Entry::new(at, by.who(), "officer_removed", Some(name))).await
    }

    /// Invites somebody. What comes back is what the link ends with.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::NameTaken`], [`Error::TooMany`].
    pub async fn invite(&self, by: &Admin, name: &str, role: Role, at: Millis) -> Result<String, Error> {
        if self.known.read().contains_key(name) {
            return Err(Error::NameTaken);
        }
        self.write_invitation(by, (name, role, false), at).await
    }

    /// A link by which somebody sets password and factor anew, because they lost one.
    ///
    /// # Errors
    /// [`Error::NoOfficer`].
    pub async fn renew(&self, by: &Admin, name: &str, at: Millis) -> Result<String, Error> {
        let officer = self.find(name).ok_or(Error::NoOfficer)?;
        self.write_invitation(by, (name, officer.role, true), at).await
    }

    /// Invitations that still work, by name.
    #[must_use]
    pub fn invitations(&self, at: Millis) -> Vec<Invitation> {
        let mut all = invitation::list(&self.folder, at);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// What the page behind an invitation shows.
    ///
    /// # Errors
    /// [`Error::NoInvitation`].
    pub fn invited(&self, token: &str, issuer: &str, at: Millis) -> Result<(Invitation, Setup), Error> {
        let invitation = self.usable(token, at)?;
        let setup = factor::setup(&factor::secret(&self.vault, token), issuer, &invitation.name)?;
        Ok((invitation, setup))
    }

    /// Sets up the account that an invitation is for. What comes back are the recovery codes: they are nowhere else.
    ///
    /// # Errors
    /// [`Error::NoInvitation`], [`Error::Refused`] if the code is wrong, [`Error::TooShort`] and [`Error::Unfit`].
    pub async fn enrol(&self, token: &str, new: &str, code: &str, at: Millis) -> Result<Vec<String>, Error> {
        let invitation = self.usable(token, at)?;
        check_password(new, &invitation.name)?;
        let secret = factor::secret(&self.vault, token);
        let last_step = factor::step(&secret, code, at)?.ok_or(Error::Refused)?;
        let codes = factor::recovery_codes(&self.chance)?;
        let recovery = codes.iter().map(|code| factor::digest(&self.vault, &invitation.name, code)).collect();
        let proofs = Proofs { password: self.hash(new).await?, totp: hex::encode(secret), last_step, recovery };
        let _turn = self.turn.lock().await;
        // Somebody may have used it while the password was hashed.
        let Invitation { id: used, name, role, renews, by, .. } = self.usable(token, at)?;
        let who = format!("{}{name}", Officer::PREFIX);
        let entry = Entry::new(at, &who, if renews { "renewed" } else { "enrolled" }, Some(&format!("invited by {by}")));
        if renews {
            let (id, sealed, account) = self.present(&name).map_err(|_gone| Error::NoInvitation)?;
            let generation = account.generation + 1;
            let account = Account { generation, invitation: used.clone(), proofs: Some(proofs), ..account };
            self.put(id, (Some(&sealed), &account), &entry).await?;
        } else {
            let id = OfficerId(self.chance.bytes()?);
            let (created_at, invitation, proofs) = (at, used.clone(), Some(proofs));
            let (signed_in_at, removed_at) = (None, None);
            let account = Account { name, role, created_at, by, generation: 1, invitation, signed_in_at, removed_at, proofs };
            self.put(id, (None, &account), &entry).await?;
        }
        // If this is cut off the invitation is still there, and leads nowhere: the account knows that it was used.
        invitation::end(&self.folder, &used)?;
        Ok(codes)
    }

    /// Takes invitations away that are over.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn tidy(&self, at: Millis) -> Result<(), Error> {
        invitation::tidy(&self.folder, at)
    }

    fn usable(&self, token: &str, at: Millis) -> Result<Invitation, Error> {
        let invitation = invitation::find(&self.folder, token, at)?;
        let known = self.known.read().get(&invitation.name).copied();
        let good = match known {
            None => !invitation.renews,
            Some(standing) => invitation.renews && !standing.removed && self.read(standing.id)?.1.invitation != invitation.id,
        };
        if good { Ok(invitation) } else { Err(Error::NoInvitation) }
    }

    async fn write_invitation(&self, by: &Admin, (name, role, renews): (&str, Role, bool), at: Millis) -> Result<String, Error> {
        if self.known.read().len() + self.invitations(at).len() >= OFFICERS_MAX {
            return Err(Error::TooMany);
        }
        if !invitation::is_name(name) {
            return Err(Error::Name);
        }
        let what = if renews { "renewal_offered" } else { "invited" };
        self.audit.note(&Entry::new(at, by.who(), what, Some(&format!("{name}: {}", role.name())))).await?;
        let order = invitation::Order { name: name.to_owned(), role, renews, by: by.who().to_owned() };
        let data = self.folder.parent().unwrap_or(&self.folder);
        Ok(invitation::create(data, &self.chance, order, at)?.1)
    }

    fn not_the_last_admin(&self, account: &Account) -> Result<(), Error> {
        let known = self.known.read();
        let admins = known.values().filter(|standing| standing.role == Role::Admin && !standing.removed).count();
        if account.role == Role::Admin && admins < 2 { Err(Error::LastAdmin) } else { Ok(()) }
    }

    fn present(&self, name: &str) -> Result<(OfficerId, Sealed, Account), Error> {
        let standing = self.known.read().get(name).copied().filter(|standing| !standing.removed).ok_or(Error::NoOfficer)?;
        let (sealed, account) = self.read(standing.id)?;
        Ok((standing.id, sealed, account))
    }

    fn accounts(&self) -> Result<Vec<(OfficerId, Account)>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = OFFICERS.scan(&self.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(*last);
            for (id, sealed) in &page {
                all.push((*id, self.open_account(*id, sealed)?));
            }
        }
    }

    fn read(&self, id: OfficerId) -> Result<(Sealed, Account), Error> {
        let sealed = OFFICERS.get(&self.store, &id)?.ok_or(Error::NoOfficer)?;
        let account = self.open_account(id, &sealed)?;
        Ok((sealed, account))
    }

    fn open_account(&self, id: OfficerId, Sealed(sealed): &Sealed) -> Result<Account, Error> {
        Ok(serde_json::from_slice(&self.vault.key(id.holder())?.open(&id.aad(), sealed)?)?)
    }

    /// Stores an account together with the entry that says so, if nobody changed it meanwhile.
    async fn put(&self, id: OfficerId, (before, account): (Option<&Sealed>, &Account), entry: &Entry) -> Result<(), Error> {
        let mut batch = Batch::default();
        let key = match before {
            None => {
                batch.check_absent(OFFICERS.key(&id));
                self.vault.create(id.holder(), &mut batch)?
            }
            Some(before) => {
                batch.check_equals(OFFICERS.key(&id), OFFICERS.value(before));
                self.vault.key(id.holder())?
            }
        };
        OFFICERS.put(&mut batch, &id, &Sealed(key.seal(&id.aad(), &serde_json::to_vec(account)?)?));
        match self.audit.commit(batch, entry).await {
            Err(audit::Error::Store(store::Error::Conflict)) => return Err(Error::Conflict),
            done => done?,
        }
        self.learn(id, account);
        Ok(())
    }

    fn learn(&self, id: OfficerId, account: &Account) {
        let (role, generation, removed) = (account.role, account.generation, account.removed_at.is_some());
        let mut known = self.known.write();
        // Two changes may come here in another order than they were stored.
        if known.get(&account.name).is_none_or(|standing| standing.generation <= generation) {
            known.insert(account.name.clone(), Standing { id, role, generation, removed });
        }
    }
}

/// Whether this can be a password (NIST SP 800-63B: length, no rules of composition).
fn check_password(new: &str, name: &str) -> Result<(), Error> {
    let length = new.nfkc().count();
    if length < PASSWORD_CHARS_MIN {
        return Err(Error::TooShort);
    }
    let holds_name = name.len() >= NAME_CHARS_TOLD && new.to_lowercase().contains(name);
    let unfit = length > PASSWORD_CHARS_MAX || new.chars().any(char::is_control) || holds_name;
    if unfit { Err(Error::Unfit) } else { Ok(()) }
}
