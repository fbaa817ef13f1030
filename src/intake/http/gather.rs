//! Events that come one a request, dealt with together.
//!
//! When much is going on, many requests are there at the same moment. What an event costs besides its own bytes, above all fetching people from
//! memory, code that has to come back into the processor's cache, and a commit, costs little more for several of them. Nobody waits for
//! others to come: whoever is first on a thread lets those go first that are there already.
//!
//! Only what is plain is taken here. An event that is not in order, that records a decision, or that has to wait for somebody is left to its own
//! request, as if it had not come by, so no other is harmed by it or waits for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, rt};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::events_of;
use super::wire::Takes;
use crate::app::App;
use crate::clock::Millis;
use crate::events::{Event, EventType, consent_object};
use crate::intake::Sender;
use crate::policy::Policy;

/// As many are dealt with at once, and no more: they share one fate.
const AT_ONCE: usize = 64;

/// A request with one event, and what is known about it by now.
pub(super) struct Alone {
    pub(super) req: HttpRequest,
    pub(super) kind: EventType,
    pub(super) body: Bytes,
    pub(super) policy: Arc<Policy>,
    /// Its source, if the head names that.
    pub(super) source: Option<usize>,
}

/// That nothing was done about an event, and its source if that is known now.
pub(super) struct Left(pub(super) Option<usize>);

/// Where the requests of one thread meet.
#[derive(Default)]
pub(super) struct Gathering(Rc<RefCell<Vec<Waiting>>>);

struct Waiting {
    alone: Alone,
    reply: Reply,
}

/// Whether an event was taken. Dropped if all is left to its request.
type Reply = oneshot::Sender<Result<(), Left>>;

/// Plain events of one source.
struct Group<'a> {
    policy: &'a Arc<Policy>,
    source: usize,
    events: Vec<Event<'a>>,
    replies: Vec<Reply>,
}

impl Gathering {
    /// Takes an event together with those that are there at this moment. What comes of it is durable then.
    ///
    /// # Errors
    /// [`Left`] if the event is to be dealt with by itself.
    pub(super) async fn take(&self, app: &Data<App>, alone: Alone) -> Result<(), Left> {
        let (reply, replied) = oneshot::channel();
        let is_first = {
            let mut waiting = self.0.borrow_mut();
            waiting.push(Waiting { alone, reply });
            waiting.len() == 1
        };
        if is_first {
            // A task of its own: a client that hangs up takes no other's event with it.
            rt::spawn(take_those_here(Rc::clone(&self.0), Data::clone(app)));
        }
        replied.await.unwrap_or(Err(Left(None)))
    }
}

async fn take_those_here(here: Rc<RefCell<Vec<Waiting>>>, app: Data<App>) {
    yield_now().await;
    let mut waiting = here.take();
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(AT_ONCE));
        rt::spawn(take_all(Data::clone(&app), waiting));
        waiting = rest;
    }
}

async fn take_all(app: Data<App>, waiting: Vec<Waiting>) {
    let at = app.clock.now();
    let (alone, replies): (Vec<Alone>, Vec<Reply>) = waiting.into_iter().map(|w| (w.alone, w.reply)).unzip();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (alone, reply) in alone.iter().zip(replies) {
        let Some((source, event)) = alone.read(&app, at) else { continue };
        let Some(event) = event else {
            tell(reply, Err(Left(Some(source))));
            continue;
        };
        let is_its = |group: &&mut Group<'_>| group.source == source && Arc::ptr_eq(group.policy, &alone.policy);
        match groups.iter_mut().find(is_its) {
            Some(group) => {
                group.events.push(event);
                group.replies.push(reply);
            }
            None => groups.push(Group { policy: &alone.policy, source, events: vec![event], replies: vec![reply] }),
        }
    }
    join_all(groups.into_iter().map(|group| take_group(&app, group, at))).await;
}

async fn take_group(app: &App, group: Group<'_>, at: Millis) {
    let Group { policy, source, events, replies } = group;
    let count = app.intake.accept_at_once(Sender { policy, source, received_at: at, signal: None }, &events).await;
    for (number, reply) in replies.into_iter().enumerate() {
        tell(reply, if number < count { Ok(()) } else { Err(Left(Some(source))) });
    }
}

fn tell(reply: Reply, outcome: Result<(), Left>) {
    // Nobody may wait any more.
    let _gone = reply.send(outcome);
}

impl Alone {
    /// Its source, and the event if it is plain. Nothing if whose it is cannot be told or it cannot be read.
    fn read(&self, app: &App, at: Millis) -> Option<(usize, Option<Event<'_>>)> {
        let (source, mut events) =
            events_of(&self.req, app, &self.policy, (Takes::One(self.kind), &self.body), (self.source, at)).ok()?;
        Some((source, events.good.pop().filter(|event| !consent_object::is_preference_update(event))))
    }
}
