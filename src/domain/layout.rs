//! Which kinds of entities and indexes there are: the second half of the key layout in
//! `store/keys.rs`.
//!
//! Owns the names, so that no two kinds share one and a check of the store can follow an index to
//! its entity. Does not know what the records hold.

/// `<kind>/<account>/<id>`: a record.
pub const RECORDS: &[&str] = &[
    "appointment",
    "checkout",
    "contact",
    "customer-order",
    "invite",
    "lead",
    "lead-note",
    "login-link",
    "tag",
    "user",
];
/// Kinds of records whose texts are searched: `search-…/<account>/<kind>…`.
pub const SEARCHED: &[&str] = &["lead", "user"];
/// `<kind>/<account>/<owner id>/<id>`: a record that belongs to one of the second kind.
pub const PARTS: &[(&str, &str)] = &[("presence", "user")];
/// `<index>/<account>/<text>`: the integer id of a record of the second kind.
pub const UNIQUE: &[(&str, &str)] = &[
    ("checkout-external", "checkout"),
    ("contact-phone", "contact"),
    ("contact-ref", "contact"),
    ("invite-code", "invite"),
    ("lead-external", "lead"),
    ("order-external", "customer-order"),
    ("tag-name", "tag"),
    ("tag-ref", "tag"),
    ("user-email", "user"),
    ("user-external", "user"),
    ("user-name", "user"),
    ("user-ref", "user"),
];
/// `<index>/<account>/<group>/<id>`: empty, for a record of the second kind.
pub const MEMBERS: &[(&str, &str)] = &[
    ("appointment-of", "appointment"),
    ("contact-email", "contact"),
    ("lead-assignee", "lead"),
    ("lead-custom-status", "lead"),
    ("lead-note-of", "lead-note"),
    ("lead-owner", "lead"),
    ("lead-status", "lead"),
    ("lead-tag", "lead"),
    ("user-enrolled", "user"),
    ("user-owner", "user"),
];
/// `<index>/<account>/<owner id>/<time>/<id>`: what the index says of a record of the second kind.
pub const TIMED: &[(&str, &str)] = &[
    ("appointment-end", "appointment"),
    ("appointment-start", "appointment"),
];
