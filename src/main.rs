//! The `hookrelay` binary.

fn main() {}
