mod cut;
mod faults;
mod house;
mod server;
mod story;
