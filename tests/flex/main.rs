//! The flex surface (`protocols/flex-api.md`) over real sockets: every table cell and example, its
//! operations as one commit, the operator's side of it, and clients in PHP and curl.
//!
//! Some of these tests run `php` and `curl`; they fail, and name the package, where one is missing.

// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// These are shared with other tests, and each uses a part of them.
#[allow(dead_code)]
#[path = "../clients/daemon.rs"]
mod daemon;
#[allow(dead_code)]
#[path = "../inbound/people.rs"]
mod people;
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

mod arrays;
mod automations;
mod calls;
mod clients;
mod contacts;
mod crossing;
mod doors;
mod import;
mod leads;
mod limits;
mod messages;
mod new;
mod operator;
mod typed;
