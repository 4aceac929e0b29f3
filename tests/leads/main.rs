//! The leads surface (`protocols/leads-api.md`): every cell of its tables, and its clients.
// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Shared with other binaries of tests, each of which uses some of it.
#[allow(dead_code)]
#[path = "../clients/daemon.rs"]
mod daemon;
#[path = "../clients/pattern.rs"]
mod pattern;
#[allow(dead_code)]
#[path = "../inbound/people.rs"]
mod people;
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

mod appointments;
mod calendar;
mod clients;
mod credentials;
mod inputs;
mod leads;
mod lists;
mod notes;
mod overview;
mod site;
mod surfaces;
