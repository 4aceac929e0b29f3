//! Which kinds of entities and indexes there are: the second half of the key layout in
//! `store/keys.rs`.
//!
//! Owns the names, so that no two kinds share one and a check of the store can follow an index to
//! its entity. Does not know what the records hold.

/// `<kind>/<account>/<id>`: a record.
pub const RECORDS: &[&str] = &["checkout", "customer-order", "invite", "login-link", "user"];
/// `<kind>/<account>/<owner id>/<id>`: a record that belongs to one of the second kind.
pub const PARTS: &[(&str, &str)] = &[("presence", "user")];
/// `<index>/<account>/<text>`: the integer id of a record of the second kind.
pub const UNIQUE: &[(&str, &str)] = &[
    ("checkout-external", "checkout"),
    ("invite-code", "invite"),
    ("order-external", "customer-order"),
    ("user-email", "user"),
    ("user-external", "user"),
    ("user-name", "user"),
    ("user-ref", "user"),
];
/// `<index>/<account>/<group>/<id>`: empty, for a record of the second kind.
pub const MEMBERS: &[(&str, &str)] = &[("user-enrolled", "user"), ("user-owner", "user")];
