#![expect(clippy::unwrap_used, reason = "a test")]

mod faults;
mod house;
mod server;
mod story;
