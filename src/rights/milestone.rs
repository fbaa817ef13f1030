//! What the ledger gets of requests: a commitment to each act, in the commit that stores it. Nobody can leave one out or write
//! another one later.

use serde::Serialize;

use super::{Act, Error, Request, RequestId, aad};
use crate::clock::rfc3339;
use crate::ledger::{self, Commitment};
use crate::store::Batch;
use crate::vault::{self, DataKey};

/// What kind of record the leaves of acts commit to.
const ACT: &str = "act";

#[derive(Serialize)]
struct Stated<'a> {
    request: String,
    /// Its place among the acts of the request, from 0.
    number: usize,
    at: String,
    what: &'a str,
    who: &'a str,
    why: Option<&'a str>,
}

/// Commits to the acts from the number `from` on.
pub(super) fn append(batch: &mut Batch, key: &DataKey, (id, request): (RequestId, &Request), from: usize) -> Result<(), Error> {
    for (number, act) in request.acts.iter().enumerate().skip(from) {
        let Act { at, who, what, why } = act;
        let stated = Stated { request: id.to_string(), number, at: rfc3339(*at), what, who, why: why.as_deref() };
        let canonical = serde_json_canonicalizer::to_vec(&stated)?;
        let salt = key.salt(&[aad(id), b"/act/".to_vec(), number.to_be_bytes().to_vec()].concat())?;
        ledger::append(batch, &Commitment::of(ACT, &salt, &canonical));
    }
    Ok(())
}

impl super::Rights {
    /// How many acts of a request are stored, and so have their leaf.
    pub(super) fn stored_acts(&self, id: RequestId) -> Result<usize, Error> {
        match self.get(id) {
            Ok(request) => Ok(request.acts.len()),
            Err(Error::NotFound | Error::Vault(vault::Error::Shredded)) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
