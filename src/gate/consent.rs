//! The consent that goes along with an event, complete, in the form that the destination reads.
//!
//! Every form says of *every* purpose of the policy whether it may be used for it: `RudderStack`'s servers read only the list of
//! denials, and whatever is missing there is delivered.

use crate::gate::walk::write_text;
use crate::policy::{ConsentForm, Policy, Purposes};

/// Our own: what the event was forwarded for, and all purposes that the recipient may and may not use it for.
pub(super) fn plain(out: &mut Vec<u8>, policy: &Policy, needed: Purposes, allowed: Purposes) {
    out.extend_from_slice(b",\"consent\":{\"purposes\":");
    purposes(out, policy, needed);
    out.push(b',');
    lists(out, policy, allowed);
    out.push(b'}');
}

/// Adds the object of Segment or `RudderStack` to `context`, which begins at `mark` if something of it was written.
pub(super) fn in_context(out: &mut Vec<u8>, mark: usize, form: ConsentForm, (policy, allowed): (&Policy, Purposes)) {
    if matches!(form, ConsentForm::Plain | ConsentForm::None) {
        return;
    }
    if out.len() == mark {
        out.extend_from_slice(b",\"context\":{");
    } else {
        out.pop();
        out.push(b',');
    }
    if form == ConsentForm::Segment {
        out.extend_from_slice(b"\"consent\":{\"categoryPreferences\":{");
        for (index, purpose) in policy.purposes.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, &purpose.id);
            out.extend_from_slice(if allowed.has(index) { b":true" } else { b":false" });
        }
        out.push(b'}');
    } else {
        out.extend_from_slice(b"\"consentManagement\":{\"provider\":\"custom\",\"resolutionStrategy\":\"and\",");
        lists(out, policy, allowed);
    }
    out.extend_from_slice(b"}}");
}

/// Whoever reads only the list of denials must find everything there that is not allowed.
fn lists(out: &mut Vec<u8>, policy: &Policy, allowed: Purposes) {
    out.extend_from_slice(b"\"allowedConsentIds\":");
    purposes(out, policy, allowed);
    out.extend_from_slice(b",\"deniedConsentIds\":");
    purposes(out, policy, Purposes::ALL.without(allowed));
}

fn purposes(out: &mut Vec<u8>, policy: &Policy, set: Purposes) {
    out.push(b'[');
    let mut first = true;
    for (_, purpose) in policy.purposes.iter().enumerate().filter(|(index, _)| set.has(*index)) {
        if !first {
            out.push(b',');
        }
        first = false;
        write_text(out, &purpose.id);
    }
    out.push(b']');
}
