//! How a lead is deleted.
//!
//! Owns the order of what goes with it, and of what is told. Does not know how the call is spelled.

use super::{Lead, Status, notice, rights, save};
use crate::domain::actor::Actor;
use crate::domain::{appointment, event};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// Deletes a lead that is not deleted, and its appointments with it. Its notes stay.
pub async fn delete(tx: &Tx, account: AccountId, before: &Lead, actor: &Actor) -> Result<()> {
    rights::change(actor.rights, before)?;
    let mut after = before.clone();
    after.status = Status::Deleted;
    after.deleted_at = Some(tx.now());
    after.updated_at = tx.now();
    save(tx, account, Some(before), &after).await?;
    let data = notice::Deleted::of(&after, actor);
    event::emit(tx, account, "delete_lead", &data).await?;
    appointment::delete_all(tx, account, &after, actor).await
}
