//! Pforte: a privacy-focused consent and first-party identity gateway.
//!
//! One folder is one room, one room is one concept. From the ground up: [`store`] keeps bytes and knows no word of the
//! domain; [`vault`] holds keys and everything sealed; [`backup`] copies both; [`session`] knows who is signed in on pages; [`ledger`] lets outsiders check what was decided; [`audit`] keeps who did and saw what, [`officers`] who works here; [`policy`] says
//! what may be done with what, [`chronicle`] keeps which policy was in force when; [`events`] is the wire
//! form; [`identity`] knows who an identifier belongs to; [`consent`] what people decided; [`gate`] decides, purely;
//! [`mail`] writes to people; [`confirmation`] asks by it whether a grant was meant; [`portal`] is where they see and change what is done;
//! [`access`] answers other systems; [`outbox`] holds what may leave; [`profile`] is the embedded profile store; [`preferences`] what people
//! state about themselves; [`intake`] is the way in and [`forward`] the way out; [`banner`] is what websites load. Around them stands the
//! frame: [`app`], [`routes`], [`server`], [`auth`], [`site`], [`stream`], [`telemetry`], [`cli`]; what pages say is in [`texts`].
//! A room imports only from rooms below its own. `docs/ARCHITECTURE.md` walks one event and one decision through them.

pub mod access;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod banner;
pub mod chronicle;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confirmation;
pub mod consent;
pub mod console;
pub mod egress;
pub mod error;
pub mod events;
pub mod forward;
pub mod gate;
pub mod id;
pub mod identity;
pub mod intake;
pub mod ledger;
pub mod limit;
pub mod mail;
pub mod officers;
pub mod outbox;
pub mod password;
pub mod policy;
pub mod portal;
pub mod preferences;
pub mod private;
pub mod profile;
pub mod retention;
pub mod rights;
pub mod routes;
pub mod server;
pub mod session;
pub mod site;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod texts;
pub mod vault;
pub mod witness;
