//! Who may do what: the one table, and authority as values that only this table hands out.

use serde::{Deserialize, Serialize};

use crate::id::SubjectId;

/// What somebody of the company is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The data-protection officer, or whoever decides for them.
    Dpo,
    /// Looks at everything but whom requests are about, and changes nothing.
    Auditor,
    /// Talks to people: takes requests and makes clear who asks.
    Support,
    /// Looks after accounts and destinations, and sees no requests.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Dpo, Self::Auditor, Self::Support, Self::Admin];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dpo => "dpo",
            Self::Auditor => "auditor",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("there is no role `{text}`; there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Somebody who has an account and proved it. Only this room makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Officer {
    pub(super) holder: SubjectId,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) generation: u32,
}

impl Officer {
    /// How entries of the audit and approvals begin that are an officer's. No key's ID begins like this.
    pub const PREFIX: &'static str = "officer:";

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Under what their sessions are kept.
    #[must_use]
    pub const fn holder(&self) -> SubjectId {
        self.holder
    }

    /// What they are.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Counts up with whatever ends their sessions.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// How the audit calls them.
    #[must_use]
    pub fn who(&self) -> String {
        format!("{}{}", Self::PREFIX, self.name)
    }

    /// Whether they have this authority.
    #[must_use]
    pub fn may<A: Authority>(&self) -> bool {
        A::ROLES.contains(&self.role)
    }
}

/// What somebody may do, as a value that was checked.
pub trait Authority: Sized {
    /// Its name in the table of the docs.
    const NAME: &'static str;
    /// Who has it.
    const ROLES: &'static [Role];

    /// The officer's authority; `None` if they have it not.
    fn of(officer: &Officer) -> Option<Self>;

    /// How the audit calls whoever has it.
    fn who(&self) -> &str;
}

macro_rules! authorities {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $roles:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $type(String);

            impl Authority for $type {
                const NAME: &'static str = $name;
                const ROLES: &'static [Role] = $roles;

                fn of(officer: &Officer) -> Option<Self> {
                    officer.may::<Self>().then(|| Self(officer.who()))
                }

                fn who(&self) -> &str {
                    &self.0
                }
            }
        )*

        /// The table: each authority and who has it. `docs/console.md` shows it, and a test compares them.
        pub const AUTHORITIES: &[(&str, &[Role])] = &[$(($name, $roles),)*];
    };
}

authorities! {
    /// Sees requests: what, by when, where they are; not whom they are about.
    Reader = "reader", &[Role::Dpo, Role::Auditor, Role::Support];
    /// Sees whom a request is about, files requests, makes clear who asks, assigns, notes.
    Desk = "desk", &[Role::Dpo, Role::Support];
    /// Decides: approves, refuses, extends, cancels, lifts, confirms for recipients; fetches packages.
    Dpo = "dpo", &[Role::Dpo];
    /// Reads what proves things: consent of a person, certificates, the register, the audit.
    Inspector = "inspector", &[Role::Dpo, Role::Auditor];
    /// Looks after accounts, and puts back what destinations would not take.
    Admin = "admin", &[Role::Admin];
}
