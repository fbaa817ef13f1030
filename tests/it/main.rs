//! The tests of the whole: promises, journeys, crashes, and the walls of the house.

mod crash;
mod harness;
mod promises;
mod tidy;
