//! Rules against dark patterns: what a notice must not do to people. Each cites where it comes from.

use super::finding::Findings;
use super::raw::{Parsed, Raw};

/// Checks all notices.
pub(super) fn lint(raw: &Raw, findings: &mut Findings) {
    for (_, _, Parsed { from, value }) in &raw.notices {
        let preselected = value.layout.iter().flat_map(|layout| &layout.as_ref().preselected);
        for purpose in preselected {
            let words = (
                "consent that is preselected is none",
                "leave `preselected` empty (GDPR recital 32; CJEU C-673/17; EDPB 05/2020, section 3.4)",
            );
            findings.error(from, purpose.span(), "preselected", words);
        }
    }
}
