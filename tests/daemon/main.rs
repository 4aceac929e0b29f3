//! End to end: the real binary as a child process, driven by its command line and over HTTP, with
//! real consumers on real sockets. What is proven here is the composition; each room's own rules
//! are proven in its own tests.

// Helper functions of these files are test code as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod classes;
mod clock;
mod crash;
mod crowd;
mod damage;
mod disk;
mod entities;
mod handshake;
mod http2;
mod logs;
mod orders;
mod queue;
mod requests;
mod retries;
mod scripts;
mod selftest;
mod stop;
mod store;
mod stub;
mod urls;
mod world;
