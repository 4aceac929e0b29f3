//! Who acts in a call, and with which rights (`protocols/domain.md` 2.2 and 7).
//!
//! Owns roles and the actor. Does not know how a caller is proved, nor what each act needs.

use serde::{Deserialize, Serialize};

/// What a user is to the account, by its account type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// `Owner`, O.
    Owner,
    /// `Administrator` or `Admin`, D.
    Administrator,
    /// Everybody else who is no customer, A.
    Agent,
}

impl Role {
    /// The role that an account type gives, without regard to case; a `Customer` has none.
    pub fn of(account_type: &str) -> Option<Self> {
        match account_type.to_lowercase().as_str() {
            "owner" => Some(Self::Owner),
            "administrator" | "admin" => Some(Self::Administrator),
            "customer" => None,
            _ => Some(Self::Agent),
        }
    }

    /// Roles O and D.
    pub fn leads_all(self) -> bool {
        matches!(self, Self::Owner | Self::Administrator)
    }
}

/// A user who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActingUser {
    /// Its integer id.
    pub id: u64,
    /// Its name in notifications.
    pub username: String,
}

/// What the caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// An API credential: everything its surface offers, in its account.
    All,
    /// A user: the table of section 7.
    User {
        /// Its integer id.
        id: u64,
        /// Its role; none for a customer.
        role: Option<Role>,
    },
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The acting user, whom notifications name; with an API credential it is one that the caller
    /// speaks of.
    pub user: Option<ActingUser>,
    /// Of the caller.
    pub rights: Rights,
}

impl Actor {
    /// `actor` of a notification.
    pub fn username(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.username.as_str())
    }

    /// The acting user's id.
    pub fn id(&self) -> Option<u64> {
        self.user.as_ref().map(|user| user.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_by_account_type() {
        for (account_type, role) in [
            ("Owner", Some(Role::Owner)),
            ("ADMIN", Some(Role::Administrator)),
            ("administrator", Some(Role::Administrator)),
            ("customer", None),
            ("User", Some(Role::Agent)),
            ("", Some(Role::Agent)),
        ] {
            assert_eq!(Role::of(account_type), role, "{account_type}");
        }
        assert!(Role::Owner.leads_all() && !Role::Agent.leads_all());
    }
}
