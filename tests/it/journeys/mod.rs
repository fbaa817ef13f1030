//! What people do from beginning to end, one story a file.

mod access;
mod authzen;
mod backup;
mod banner;
mod double_opt_in;
mod import;
mod key_changes;
mod mail;
mod objection;
mod officer;
mod preferences;
mod proxy;
mod rectification;
mod restriction;
mod retention;
mod script;
mod signals;
mod told;
