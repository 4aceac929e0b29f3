//! Who may do what with a lead (`protocols/domain.md` section 7).
//!
//! Owns the rows of that table that speak of leads and their notes. Pure. Does not know how a
//! caller is proved.

use super::Lead;
use super::note::LeadNote;
use crate::domain::actor::{Rights, Role};
use crate::error::{Error, Result};

/// What a user is to a lead.
struct Standing {
    owns: bool,
    attends: bool,
    leads_all: bool,
}

/// None for a caller who may do everything.
fn standing(rights: Rights, lead: &Lead) -> Option<Standing> {
    let Rights::User { id, role } = rights else {
        return None;
    };
    Some(Standing {
        owns: lead.owner_id == Some(id),
        attends: lead.assignee_id == Some(id),
        leads_all: role.is_some_and(Role::leads_all),
    })
}

fn allowed(is_allowed: bool) -> Result<()> {
    is_allowed
        .then_some(())
        .ok_or_else(|| Error::forbidden("Permission denied"))
}

/// Whether the caller may see the lead, its notes and appointments.
pub fn sees(rights: Rights, lead: &Lead) -> bool {
    standing(rights, lead).is_none_or(|user| user.owns || user.attends || user.leads_all)
}

/// To add a note or take an appointment.
pub fn attend(rights: Rights, lead: &Lead) -> Result<()> {
    allowed(sees(rights, lead))
}

/// To update, tag, delete, merge or transfer the lead.
pub fn change(rights: Rights, lead: &Lead) -> Result<()> {
    allowed(standing(rights, lead).is_none_or(|user| user.owns || user.leads_all))
}

/// To erase a note of the lead.
pub fn erase_note(rights: Rights, lead: &Lead, note: &LeadNote) -> Result<()> {
    let is_author = |id| note.author_id == Some(id);
    allowed(match rights {
        Rights::User { id, .. } if is_author(id) => true,
        _ => change(rights, lead).is_ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::tests::blank;

    #[test]
    fn the_rows_of_the_table() {
        let mut lead = blank(1001);
        (lead.owner_id, lead.assignee_id) = (Some(1), Some(2));
        let user = |id, role| Rights::User { id, role };
        let agent = Some(Role::Agent);
        for (rights, may_see, may_change) in [
            (Rights::All, true, true),
            (user(1, agent), true, true),
            (user(1, None), true, true),
            (user(2, agent), true, false),
            (user(3, agent), false, false),
            (user(3, None), false, false),
            (user(3, Some(Role::Owner)), true, true),
            (user(3, Some(Role::Administrator)), true, true),
        ] {
            assert_eq!(sees(rights, &lead), may_see, "{rights:?}");
            assert_eq!(attend(rights, &lead).is_ok(), may_see, "{rights:?}");
            assert_eq!(change(rights, &lead).is_ok(), may_change, "{rights:?}");
        }
        lead.owner_id = None;
        assert!(sees(user(3, Some(Role::Owner)), &lead));
        assert!(!sees(user(1, agent), &lead));
    }
}
