//! What people do from beginning to end, one story a file.

mod access;
mod objection;
mod proxy;
mod restriction;
