//! Who is calling?
//!
//! Owns credentials and their proofs. Does not know any wire form.

pub mod proof;
