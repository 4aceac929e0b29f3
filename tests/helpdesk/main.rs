//! The helpdesk surface over real sockets: every call in JSON and XML, and every error.
// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../inbound/people.rs"]
mod people;
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

mod agents;
mod desk;
mod frame;
