//! How a decision is recorded: with everything that depends on it in one commit, for everybody whose identifiers were stated with it, and
//! again from the start if somebody else decided for one of them meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{DECISIONS, Decision, DecisionKey, STANDING, Stand, StandingRecord, State, SubjectKey, aad};
use super::terms::{Stored, TERMS, Tag};
use super::{Ask, Consents, Error, Handle, OptIn, Order, Recorded, Statement, TRIES_MAX, decide, opt_in};
use crate::id::{NodeId, SubjectId};
use crate::identity::Admission;
use crate::ledger;
use crate::store::{self, Batch};
use crate::vault::{DataKey, Sealed};

/// How long to wait for somebody's erasure to be over before their identifiers count as a new person's.
const ERASED_PAUSE: Duration = Duration::from_millis(5);

impl Consents {
    /// Records a decision. When this returns it is durable, every event from now on is decided by it, and what relied on a grant that it
    /// ended has left, failed or was cut.
    ///
    /// # Errors
    /// [`Error::NotAsked`], [`Error::NoNotice`], [`Error::NoticeOutdated`], [`Error::NotInNotice`], [`Error::Token`], [`Error::Nobody`]; then
    /// nothing was recorded.
    pub async fn record(&self, order: Order) -> Result<Recorded, Error> {
        let recorded = self.decide(order).await?;
        self.fence(std::slice::from_ref(&recorded)).await;
        Ok(recorded)
    }

    /// The same without the wait for what is on its way: whoever calls this calls [`Consents::fence`] with what it gives, before anybody
    /// is told.
    ///
    /// # Errors
    /// As [`Consents::record`].
    pub async fn decide(&self, order: Order) -> Result<Recorded, Error> {
        let decided = opt_in::wait(decide::decision(&order)?, &order.policy);
        self.record_decided(order, decided, None).await
    }

    pub(super) async fn record_decided(&self, order: Order, decided: Decision, ask: Option<&Ask<'_>>) -> Result<Recorded, Error> {
        if order.identifiers.is_empty() {
            return Err(Error::Nobody);
        }
        let mut tries = 0;
        loop {
            match self.try_record(&order, &decided, ask).await {
                Err(Error::Store(store::Error::Conflict)) if tries < TRIES_MAX => {}
                // Whoever it was is being erased at this moment; from here on it is a new person who decides.
                Err(error) if error.is_shredded() && tries < TRIES_MAX => tokio::time::sleep(ERASED_PAUSE).await,
                done => return done,
            }
            tries += 1;
        }
    }

    async fn try_record(&self, order: &Order, decided: &Decision, ask: Option<&Ask<'_>>) -> Result<Recorded, Error> {
        let heeds = order.policy.sources.get(order.source).is_some_and(|source| source.heeds_suppression);
        if heeds && self.directory.is_suppressed(&order.identifiers, order.at) {
            return Err(Error::Suppressed);
        }
        let mut batch = Batch::default();
        let token = order.besides.shown.token.as_ref();
        let swept = token.map_or(Ok(None), |token| self.purse.spend(&self.store, token, order.at, &mut batch))?;
        let context = Admission { vault: &self.vault, policy: &order.policy, chance: &self.chance, at: order.at };
        let plan = self.directory.admit(&order.identifiers, &context, &mut batch)?;
        let mut owners: Vec<SubjectId> = plan.owners().to_vec();
        let strongest = owners.first().copied().ok_or(Error::Nobody)?;
        let by_owner: Vec<(SubjectId, NodeId)> = owners.iter().copied().zip(plan.names().iter().copied()).collect();
        let asked = ask.zip(opt_in::addressee(order, &owners));
        // Whoever is written to comes last: their record says what else waits for the answer.
        owners.sort_unstable_by_key(|owner| (asked.is_some_and(|(_, whom)| whom == *owner), *owner));
        owners.dedup();
        let mut folded: Vec<(SubjectId, StandingRecord)> = Vec::with_capacity(owners.len());
        let mut recorded = Decision { states: BTreeMap::new(), ..decided.clone() };
        for owner in owners {
            let own: Vec<NodeId> = by_owner.iter().filter(|(o, _)| *o == owner).map(|(_, name)| *name).collect();
            let key = match plan.data_key(owner) {
                Some(fresh) => fresh,
                None => {
                    self.vault.check_unchanged(owner, &mut batch)?;
                    self.vault.key(owner)?
                }
            };
            let mut decision = Decision { identifiers: own, ..decided.clone() };
            let mine = asked.filter(|(_, whom)| *whom == owner).map(|(ask, _)| ask);
            if let Some((ask, _)) = asked {
                decision.asked_by(&ask.letter, if mine.is_some() { &folded } else { &[] });
            }
            let Some((decision, record)) = self.fold(&key, owner, decision, &mut batch)? else { continue };
            if let (Some(ask), Some(OptIn::Asked(wish))) = (mine, &decision.double_opt_in) {
                let place = DecisionKey { subject: owner, number: record.decisions - 1 };
                (ask.queue)(&opt_in::link(&self.vault, place)?, wish.until, &mut batch)?;
            }
            recorded.states.extend(decision.states);
            folded.push((owner, record));
        }
        if let Some((stream, entry)) = &order.mark {
            batch.append(*stream, entry);
        }
        let terms = &order.policy.terms;
        if self.memory.read().book.lacks(terms.tag) {
            TERMS.put(&mut batch, &Tag(terms.tag), &Stored(terms.clone()));
        }
        let whose = folded.iter().find(|(owner, _)| *owner == strongest).or_else(|| folded.first());
        let (subject, record) = whose.ok_or(Error::NothingNew)?;
        let receipt = Handle::of(&self.vault, DecisionKey { subject: *subject, number: record.decisions - 1 })?;
        // Whoever agrees to something is here by their own will.
        let unlisted = if decided.agrees() { self.directory.unlist(&order.identifiers, &mut batch) } else { Vec::new() };
        self.store.commit(batch).await?;
        self.purse.swept(swept);
        self.directory.unlisted(&unlisted);
        self.directory.learn(&plan);
        plan.keys().iter().for_each(|(subject, key)| self.vault.learn(*subject, key));
        self.memory.write().book.learn(terms, &order.policy);
        self.learn(&folded, &order.policy);
        self.rates.count(order.policy.controller.day(order.at), &recorded.states);
        let people = folded.into_iter().map(|(owner, _)| owner).collect();
        Ok(Recorded { decision: recorded, receipt, people })
    }

    /// Adds a decision to what stands for one owner, and puts both into the batch; nothing if it says nothing new. Whoever else decides for the same
    /// person in the meantime makes the batch fail.
    fn fold(
        &self,
        key: &DataKey,
        owner: SubjectId,
        decision: Decision,
        batch: &mut Batch,
    ) -> Result<Option<(Decision, StandingRecord)>, Error> {
        let record = self.standing_of(key, owner, batch)?;
        let mut decision = decision;
        // Read after what stands: if another decision comes between the two, the batch conflicts.
        if record.decisions > 0 {
            let Some(news) = self.news_for(owner, decision)? else { return Ok(None) };
            decision = news;
        }
        Ok(Some(self.fold_onto(key, owner, (decision, record), batch)?))
    }

    /// The same where what stands is at hand already.
    pub(super) fn fold_onto(
        &self,
        key: &DataKey,
        owner: SubjectId,
        (mut decision, mut record): (Decision, StandingRecord),
        batch: &mut Batch,
    ) -> Result<(Decision, StandingRecord), Error> {
        for (purpose, state) in &mut decision.states {
            let before = record.subject.get(purpose).map(|Stand(state, ..)| *state);
            if *state == State::Denied && matches!(before, Some(State::Granted | State::Withdrawn)) {
                *state = State::Withdrawn;
            }
        }
        let place = DecisionKey { subject: owner, number: record.decisions };
        record.fold(&decision);
        let sealed = key.seal(&aad(b"decision", owner, place.number), &serde_json::to_vec(&decision)?)?;
        DECISIONS.put(batch, &place, &Sealed(sealed));
        let (_, _, commitment) = Statement::of(key, place, &decision)?;
        ledger::append(batch, &commitment);
        let sealed = key.seal(&aad(b"standing", owner, 0), &serde_json::to_vec(&record)?)?;
        STANDING.put(batch, &SubjectKey(owner), &Sealed(sealed));
        Ok((decision, record))
    }
}
