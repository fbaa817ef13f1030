//! What people do from beginning to end, one story a file.

mod access;
mod objection;
mod officer;
mod proxy;
mod restriction;
mod told;
