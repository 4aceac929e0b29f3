//! The contacts surface over real sockets (`protocols/contacts-api.md`): every table and every
//! example, calls at the same instant, and the real binary with clients in other languages.
//!
//! Some of these tests run `php` with `php-curl`, `python3` and `curl`; they fail, and name the
//! package, where one is missing.

// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../clients/daemon.rs"]
mod daemon;
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

mod agencies;
mod channels;
mod door;
mod findings;
mod lists;
mod people;
mod programs;
mod shop;
mod together;
