//! The console: people of the company at work, what each role may do, and what attackers try.

mod attacks;
mod filing;
mod roles;
mod versions;
mod work;
