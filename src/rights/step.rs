//! What can be done with a request, and where: the state machine.

use super::request::{Fate, Ground, Kind, Request, RequestId, State};
use super::{Error, Rights, calendar};

/// What can be done with a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// It is clear now who asks; the deadline runs.
    Identify,
    /// It is not clear who asks; the deadline rests until it is.
    Doubt,
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
    /// Somebody has seen to it that a recipient did its part.
    Confirm {
        /// The destination's ID.
        recipient: String,
    },
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
        let wrong = Err(Error::State(request.state));
        let what = match (&step, request.state) {
            (Step::Identify, State::IdentityUnclear) => {
                request.pauses.iter_mut().for_each(|(_, until)| _ = until.get_or_insert(at));
                request.state = State::InReview;
                "identified"
            }
            (Step::Doubt, State::InReview) => {
                request.pauses.push((at, None));
                request.state = State::IdentityUnclear;
                "identity_doubted"
            }
            (Step::Approve, State::InReview) => {
                self.resolve(&mut request, &policy)?;
                request.state = State::Running;
                "approved"
            }
            (Step::Refuse(Ground::NotIdentified), State::IdentityUnclear) | (Step::Refuse(_), State::InReview) => {
                let Step::Refuse(ground) = step else { return wrong };
                if why.is_none_or(str::is_empty) {
                    return Err(Error::NoReason);
                }
                request.ground = Some(ground);
                request.close(State::Refused);
                "refused"
            }
            (Step::Extend, State::InReview | State::IdentityUnclear) => {
                if why.is_none_or(str::is_empty) {
                    return Err(Error::NoReason);
                }
                if !calendar(&policy).may_extend(&request.course(), at) {
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
                if why.is_none_or(str::is_empty) {
                    return Err(Error::NoReason);
                }
                request.lifted = true;
                "lifted"
            }
            (Step::Confirm { recipient }, State::Running) => {
                let open = request.recipients.iter_mut().find(|r| r.id == *recipient && r.fate.is_waited_for());
                let open = open.ok_or(Error::NoRecipient)?;
                (open.fate, open.at) = (Fate::ConfirmedByHand, at);
                "confirmed_by_hand"
            }
            _ => return wrong,
        };
        let about = if let Step::Confirm { recipient } = &step { Some(recipient.as_str()) } else { why };
        request.note(at, who, what, about);
        self.save(id, &request).await?;
        self.wake.notify_one();
        Ok(request)
    }
}
