//! The helpdesk surface over real sockets: every call in JSON and XML, and every error.
// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]
// A table is as long as what it tests.
#![allow(clippy::too_many_lines)]

#[allow(dead_code)]
#[path = "../inbound/people.rs"]
mod people;
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

mod agents;
mod clients;
mod conversations;
mod customers;
#[path = "../clients/daemon.rs"]
#[allow(dead_code)]
mod daemon;
mod desk;
mod frame;
mod groups;
mod hostile;
mod messages;
mod moves;
mod operator;
