//! Who is calling, and how do we prove ourselves and others?
//!
//! Owns credentials: finding a caller by them, secrets, proofs. Does not know HTTP, surfaces or
//! what a caller may do.

pub mod caller;
