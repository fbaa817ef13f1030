//! What can be done with a request, and where: the state machine.

use super::request::{Fate, Ground, Kind, Request, RequestId, State};
use super::{Error, Rights, about, calendar};
use crate::clock::Millis;
use crate::officers::Officer;
use crate::policy::Policy;

/// How many bytes of words a request takes before it takes no more that could go on without end. Records are limited.
const WORDS_BYTES_MAX: usize = 16 * 1024;
/// What an act takes besides its words, in bytes.
const ACT_BYTES: usize = 150;

/// What can be done with a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// It is clear now who asks; the deadline runs.
    Identify,
    /// It is not clear who asks; the deadline rests until it is.
    Doubt,
    /// The person gets a new link to confirm that it is they who ask; earlier ones work no more.
    SendLink,
    /// It shall be done.
    Approve,
    /// It shall not be done, for a reason that the law knows.
    Refuse(Ground),
    /// The answer takes up to two months longer; the person is told why.
    Extend,
    /// The person takes it back.
    Cancel,
    /// A restriction ends; the person was told before (Art. 18(3)).
    Lift,
    /// Somebody sees to it; `None`: nobody does any more.
    Assign(Option<String>),
    /// There is something to be said about it.
    Note,
    /// Somebody has seen to it that a recipient did its part.
    Confirm {
        /// The destination's ID.
        recipient: String,
    },
}

/// Who does something, why, and what holds at that moment.
struct By<'a> {
    who: &'a str,
    why: Option<&'a str>,
    at: Millis,
    policy: &'a Policy,
}

impl By<'_> {
    /// Somebody who is concerned must be able to learn why.
    fn gave_reason(&self) -> Result<(), Error> {
        if self.why.is_none_or(str::is_empty) { Err(Error::NoReason) } else { Ok(()) }
    }
}

impl Rights {
    /// Does something with a request. It is durable when this returns; what an approval sets off goes on in the background.
    ///
    /// # Errors
    /// [`Error::NotFound`], and why it cannot be done; then nothing was changed.
    pub async fn act(&self, id: RequestId, step: Step, who: &str, why: Option<&str>) -> Result<Request, Error> {
        let _turn = self.turn.lock().await;
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let mut request = self.get(id)?;
        // Asked now: a request that is over forgets who asked.
        let to = self.addressee(&request);
        let what = self.take(&mut request, &step, &By { who, why, at, policy: &policy })?;
        let said = step.is_about().or(why);
        request.note(at, who, what, said);
        if step.goes_on_for_ever() && request.words() > WORDS_BYTES_MAX {
            return Err(Error::Full);
        }
        let batch = self.told(id, &mut request, to)?;
        self.commit_noted(batch, &about(id, at, who, what, said)).await?;
        self.deps.mails.wake();
        self.note_callbacks(id, &request);
        self.wake.notify_one();
        Ok(request)
    }

    /// Changes the request, and gives the code of what was done.
    fn take(&self, request: &mut Request, step: &Step, by: &By<'_>) -> Result<&'static str, Error> {
        let at = by.at;
        let what = match (step, request.state) {
            (Step::Identify, State::IdentityUnclear) => {
                request.pauses.iter_mut().for_each(|(_, until)| _ = until.get_or_insert(at));
                request.state = State::InReview;
                "identified"
            }
            (Step::Doubt, State::InReview) => {
                request.pauses.push((at, None));
                // Who approved it thought that it was clear.
                request.approvals.clear();
                request.state = State::IdentityUnclear;
                "identity_doubted"
            }
            (Step::SendLink, State::IdentityUnclear) => {
                self.addressee(request).ok_or(Error::NoAddress)?;
                "link_sent"
            }
            (Step::Approve, State::InReview) => return self.approve(request, by),
            (Step::Refuse(Ground::NotIdentified), State::IdentityUnclear) | (Step::Refuse(_), State::InReview) => {
                by.gave_reason()?;
                request.ground = step.ground();
                request.close(State::Refused);
                "refused"
            }
            (Step::Extend, State::InReview | State::IdentityUnclear) => {
                by.gave_reason()?;
                if !calendar(by.policy).may_extend(&request.course(), at) {
                    return Err(Error::TooLate);
                }
                request.extended = true;
                "extended"
            }
            (Step::Cancel, State::InReview | State::IdentityUnclear) => {
                request.close(State::Cancelled);
                "cancelled"
            }
            (Step::Lift, State::Running) if request.kind == Kind::Restriction && !request.lifted => {
                by.gave_reason()?;
                request.lifted = true;
                "lifted"
            }
            (Step::Assign(to), state) if !state.is_over() => {
                request.assigned.clone_from(to);
                "assigned"
            }
            (Step::Note, _) => by.gave_reason().map(|()| "note")?,
            (Step::Confirm { recipient }, State::Running) => {
                let open = request.recipients.iter_mut().find(|r| r.id == *recipient && r.fate.is_waited_for());
                let open = open.ok_or(Error::NoRecipient)?;
                (open.fate, open.at) = (Fate::ConfirmedByHand, at);
                "confirmed_by_hand"
            }
            _ => return Err(Error::State(request.state)),
        };
        Ok(what)
    }

    /// Approves it, or is the first of two who must.
    fn approve(&self, request: &mut Request, by: &By<'_>) -> Result<&'static str, Error> {
        if request.approvals.iter().any(|who| who == by.who) {
            return Err(Error::SamePerson);
        }
        let four_eyes = request.kind.takes_two(by.policy);
        // Whoever has a key may have two, and an account beside them.
        if four_eyes && !by.who.starts_with(Officer::PREFIX) {
            return Err(Error::NoPerson);
        }
        request.approvals.push(by.who.to_owned());
        if four_eyes && request.approvals.len() < 2 {
            return Ok("approved_by_one");
        }
        self.resolve(request, by.policy)?;
        self.not_being_erased(request)?;
        self.check_corrections(request, by.policy)?;
        request.state = State::Running;
        Ok("approved")
    }
}

impl Step {
    /// What a note about it names, besides the reason.
    fn is_about(&self) -> Option<&str> {
        match self {
            Self::Confirm { recipient } => Some(recipient),
            Self::Assign(to) => Some(to.as_deref().unwrap_or("nobody")),
            Self::Identify
            | Self::Doubt
            | Self::SendLink
            | Self::Approve
            | Self::Refuse(_)
            | Self::Extend
            | Self::Cancel
            | Self::Lift
            | Self::Note => None,
        }
    }

    const fn ground(&self) -> Option<Ground> {
        if let Self::Refuse(ground) = self { Some(*ground) } else { None }
    }

    /// What decides and ends a request always finds room in its record; what can be done again and again does not.
    const fn goes_on_for_ever(&self) -> bool {
        matches!(self, Self::Note | Self::Assign(_) | Self::Doubt | Self::SendLink)
    }
}

impl Request {
    /// About how many bytes its acts take.
    fn words(&self) -> usize {
        self.acts.iter().map(|act| act.why.as_ref().map_or(0, String::len) + ACT_BYTES).sum()
    }
}
