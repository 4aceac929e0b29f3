//! The real binary and its README as people from outside meet them: clients in PHP and Python, and
//! every command of the README typed in.
//!
//! These tests run `php`, `python3`, `curl` and `bash`; they fail, and name the package, where one
//! is missing.

// A test's helper may end the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod command;
mod daemon;
mod foreign;
mod pattern;
mod readme;
