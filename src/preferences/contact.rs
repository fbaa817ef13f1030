//! May they be written to? What the person said about the channel, together with what they agreed to.

use serde::Serialize;

use super::{Error, Preferences, Who};
use crate::id::SubjectId;
use crate::policy::{Channel, ChannelKind, Frequency};
use crate::profile::{Customer, Gathering};

/// The answer, as a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Allowed,
    /// They said no to this channel.
    ChannelRefused,
    /// They have not chosen this channel, and what they agreed to does not speak of it.
    ChannelNotChosen,
    /// A purpose of the channel is not allowed, or nobody is known.
    PurposeNotAllowed,
}

/// Whether somebody may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Yes, or why not.
    pub answer: Answer,
    /// How often at most; `None`: no limit was stated.
    pub at_most: Option<Frequency>,
}

impl Preferences {
    /// Whether somebody may be written to by a channel now.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn contact(&self, who: &Who, kind: ChannelKind, gathering: &Gathering<'_>) -> Result<Contact, Error> {
        let refused = |answer| Ok(Contact { answer, at_most: None });
        let Some(channel) = gathering.policy.channel(kind) else { return refused(Answer::ChannelNotChosen) };
        let subjects = match who {
            Who::Customer(subjects) => subjects.clone(),
            Who::Stated(identifiers) => gathering.gather(identifiers),
        };
        if !agreed(who, &subjects, channel, gathering) {
            return refused(Answer::PurposeNotAllowed);
        }
        let standing = self.standing(&subjects, gathering.policy, gathering.at)?;
        match standing.channels.get(&kind) {
            None if channel.implied => Ok(Contact { answer: Answer::Allowed, at_most: None }),
            None => refused(Answer::ChannelNotChosen),
            Some((wish, _)) if !wish.allowed => refused(Answer::ChannelRefused),
            Some((wish, _)) => Ok(Contact { answer: Answer::Allowed, at_most: wish.at_most }),
        }
    }
}

/// Whether all that the channel is used for is allowed; a channel without a purpose is used for nothing.
fn agreed(who: &Who, subjects: &[SubjectId], channel: &Channel, gathering: &Gathering<'_>) -> bool {
    if channel.purposes.is_empty() {
        return false;
    }
    match who {
        Who::Stated(identifiers) => channel.purposes.without(gathering.allowed_stated(identifiers)).is_empty(),
        Who::Customer(_) => {
            let customer = Customer { id: crate::id::CustomerId([0; 16]), subjects: subjects.to_vec() };
            channel.purposes.indexes().all(|purpose| gathering.may_any(&customer, purpose))
        }
    }
}
