//! One file per promise, each trying hard to break it. What they mean stands in `docs/promises.md`.

mod a_duty_keeps_nothing_else;
mod a_merge_never_grants;
mod acknowledged_is_durable;
mod bad_input_harms_nothing;
mod bad_requests_harm_nothing;
mod consent_is_provable;
mod decisions_explain_themselves;
mod erasure_is_provable;
mod fail_closed;
mod no_plain_identifier;
mod pseudonyms_do_not_join;
mod withdrawal_is_immediate;
