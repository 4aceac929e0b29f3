//! Which kinds of entities and indexes there are: the second half of the key layout in
//! `store/keys.rs`.
//!
//! Owns the names, so that no two kinds share one and a check of the store can follow an index to
//! its entity. Does not know what the records hold.

/// `<kind>/<account>/<id>`: a record.
pub const RECORDS: &[&str] = &[
    "appointment",
    "automation",
    "checkout",
    "contact",
    "conversation",
    "conversation-message",
    "credit",
    "credit-grant",
    "customer-order",
    "department",
    "invite",
    "lead",
    "lead-note",
    "list",
    "login-link",
    "sub-account",
    "tag",
    "usage",
    "user",
];
/// Kinds of records whose texts are searched: `search-…/<account>/<kind>…`.
pub const SEARCHED: &[&str] = &["contact", "lead", "user"];
/// `<kind>/<account>/<owner id>/<id>`: a record that belongs to one of the second kind.
pub const PARTS: &[(&str, &str)] = &[
    ("enrollment", "automation"),
    ("presence", "user"),
    ("session", "user"),
];
/// `<index>/<account>/<text>`: the integer id of a record of the second kind.
pub const UNIQUE: &[(&str, &str)] = &[
    ("checkout-external", "checkout"),
    ("contact-identity", "contact"),
    ("contact-phone", "contact"),
    ("contact-ref", "contact"),
    ("conversation-code", "conversation"),
    ("conversation-message-sid", "conversation-message"),
    ("conversation-public-code", "conversation"),
    ("conversation-ref", "conversation"),
    ("credit-grant-key", "credit-grant"),
    ("department-ref", "department"),
    ("invite-code", "invite"),
    ("lead-external", "lead"),
    ("list-name", "list"),
    ("list-ref", "list"),
    ("order-external", "customer-order"),
    ("sub-account-email", "sub-account"),
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
    ("contact-channel-name", "contact"),
    ("contact-email", "contact"),
    ("conversation-message-of", "conversation-message"),
    ("conversation-message-of-contact", "conversation-message"),
    ("conversation-of-contact", "conversation"),
    ("conversation-open", "conversation"),
    ("lead-assignee", "lead"),
    ("lead-assignee-campaign", "lead"),
    ("lead-assignee-status", "lead"),
    ("lead-contact", "lead"),
    ("lead-custom-status", "lead"),
    ("lead-note-of", "lead-note"),
    ("lead-owner", "lead"),
    ("lead-owner-campaign", "lead"),
    ("lead-owner-status", "lead"),
    ("lead-status", "lead"),
    ("lead-tag", "lead"),
    ("user-enrolled", "user"),
    ("user-owner", "user"),
];
/// `<index>/<account>/<owner id>/<time>/<id>`: what the index says of a record of the second kind.
pub const TIMED: &[(&str, &str)] = &[
    ("appointment-busy-day", "appointment"),
    ("appointment-busy-hour", "appointment"),
    ("appointment-busy-longer", "appointment"),
    ("appointment-busy-month", "appointment"),
    ("appointment-busy-year", "appointment"),
    ("appointment-start", "appointment"),
];
/// `<tally>/<account>/<owner id>/<text>`: how many entities of an owner share that text.
pub const TALLIES: &[&str] = &["lead-source-count", "lead-status-count"];
