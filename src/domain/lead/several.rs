//! One change of several leads: tags, and who has them.
//!
//! Owns what counts as changed, and what is told of each lead. Does not know how the calls are
//! spelled.

use std::collections::BTreeSet;

use super::change::bounded;
use super::{Lead, live, note, notice, rights, save};
use crate::domain::actor::Actor;
use crate::domain::user::User;
use crate::domain::{event, tag};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// The leads of these ids that are not deleted, in their order, and how many are missing. The
/// caller may change every one of them.
async fn changeable(
    tx: &Tx,
    account: AccountId,
    ids: &BTreeSet<u64>,
    actor: &Actor,
) -> Result<(Vec<Lead>, u64)> {
    let mut leads = Vec::with_capacity(ids.len());
    for id in ids {
        leads.extend(live(tx, account, *id).await?);
    }
    for lead in &leads {
        rights::change(actor.rights, lead)?;
    }
    let missing = ids.len() - leads.len();
    Ok((leads, missing as u64))
}

/// What became of the tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TagTotals {
    pub changed: u64,
    pub unchanged: u64,
    pub missing: u64,
    pub tags_added: u64,
    pub tags_removed: u64,
}

/// Removes tags from leads, then adds some.
pub async fn manage_tags(
    tx: &Tx,
    account: AccountId,
    ids: &BTreeSet<u64>,
    (add, remove): (&[String], &[String]),
    actor: &Actor,
) -> Result<TagTotals> {
    let (leads, missing) = changeable(tx, account, ids, actor).await?;
    let mut totals = TagTotals {
        missing,
        ..TagTotals::default()
    };
    if leads.is_empty() {
        return Ok(totals);
    }
    let mut gone = BTreeSet::new();
    for name in remove {
        gone.extend(tag::by_name(tx, account, name).await?);
    }
    let new = tag::ensure(tx, account, add).await?;
    for before in &leads {
        let mut after = before.clone();
        after.tags = before.tags.difference(&gone).copied().collect();
        after.tags.extend(&new);
        if after.tags == before.tags {
            totals.unchanged += 1;
            continue;
        }
        bounded(&after)?;
        after.updated_at = tx.now();
        save(tx, account, Some(before), &after).await?;
        let added: BTreeSet<u64> = after.tags.difference(&before.tags).copied().collect();
        let removed: BTreeSet<u64> = before.tags.difference(&after.tags).copied().collect();
        totals.changed += 1;
        totals.tags_added += added.len() as u64;
        totals.tags_removed += removed.len() as u64;
        let data = notice::Tagged {
            lead_id: after.id,
            slug: &after.slug,
            added: tag::names(tx, account, &added).await?,
            removed: tag::names(tx, account, &removed).await?,
            tags: tag::names(tx, account, &after.tags).await?,
            actor: actor.username(),
        };
        event::emit(tx, account, "lead_tags", &data).await?;
    }
    Ok(totals)
}

/// Where leads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a user, who owns them then.
    User(Box<User>),
    /// To a pool, where nobody has them.
    Pool(String),
}

impl Target {
    fn holds(&self, lead: &Lead) -> bool {
        match self {
            Self::User(user) => lead.owner_id == Some(user.id) && lead.pool.is_none(),
            Self::Pool(name) => lead.pool.as_ref() == Some(name),
        }
    }

    fn take(&self, lead: &mut Lead) {
        match self {
            Self::User(user) => {
                lead.owner_id = Some(user.id);
                lead.pool = None;
            }
            Self::Pool(name) => {
                lead.owner_id = None;
                lead.assignee_id = None;
                lead.pool = Some(name.clone());
            }
        }
    }
}

/// What became of the leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TransferTotals {
    pub moved: u64,
    pub unchanged: u64,
    pub missing: u64,
    pub notes_erased: u64,
}

/// Gives leads to somebody else, without their notes if `reset`.
pub async fn transfer(
    tx: &Tx,
    account: AccountId,
    ids: &BTreeSet<u64>,
    (target, reset): (&Target, bool),
    actor: &Actor,
) -> Result<TransferTotals> {
    let (leads, missing) = changeable(tx, account, ids, actor).await?;
    let mut totals = TransferTotals {
        missing,
        ..TransferTotals::default()
    };
    let mut room = note::Room::default();
    for before in &leads {
        if target.holds(before) {
            totals.unchanged += 1;
            continue;
        }
        let mut after = before.clone();
        target.take(&mut after);
        after.updated_at = tx.now();
        save(tx, account, Some(before), &after).await?;
        let notes_erased = if reset {
            note::erase_all(tx, account, before.id, &mut room).await?
        } else {
            0
        };
        totals.moved += 1;
        totals.notes_erased += notes_erased;
        let (to_owner, to_pool) = match target {
            Target::User(user) => (Some(user.username.as_str()), None),
            Target::Pool(name) => (None, Some(name.as_str())),
        };
        let data = notice::Transferred {
            lead_id: after.id,
            slug: &after.slug,
            from_owner: notice::username(tx, account, before.owner_id).await?,
            to_owner,
            to_pool,
            notes_erased,
            actor: actor.username(),
        };
        event::emit(tx, account, "lead_transferred", &data).await?;
    }
    Ok(totals)
}
