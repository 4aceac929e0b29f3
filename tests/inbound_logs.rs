//! What the log says, in a process of its own: whether a line is wanted is remembered for the
//! whole process, so tests that log nowhere would disturb one that listens.
// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]

// The other tests use the rest of it.
#[allow(dead_code)]
#[path = "inbound/world.rs"]
mod world;

#[path = "inbound/logs.rs"]
mod logs;
