//! One lead takes over others.
//!
//! Owns what becomes of their fields, tags, notes and appointments. Does not know how the call is
//! spelled.

use super::change::bounded;
use super::{Lead, Status, Text, found, live, note, notice, rights, save};
use crate::domain::actor::Actor;
use crate::domain::{appointment, event};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// How much was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Totals {
    pub merged: u64,
    pub fields_filled: u64,
    pub notes_moved: u64,
    pub events_moved: u64,
    pub tags_added: u64,
}

/// `survivor` takes over the leads of `sources`, in their order; each is another one.
pub async fn merge(
    tx: &Tx,
    account: AccountId,
    survivor: u64,
    sources: &[u64],
    actor: &Actor,
) -> Result<Totals> {
    let before = found(live(tx, account, survivor).await?)?;
    let mut taken = Vec::with_capacity(sources.len());
    for id in sources {
        taken.push(found(live(tx, account, *id).await?)?);
    }
    for lead in taken.iter().chain([&before]) {
        rights::change(actor.rights, lead)?;
    }
    let mut after = before.clone();
    let filled = fill(&mut after, &taken);
    bounded(&after)?;
    after.updated_at = tx.now();
    let mut totals = Totals {
        merged: taken.len() as u64,
        fields_filled: filled.len() as u64,
        tags_added: (after.tags.len() - before.tags.len()) as u64,
        ..Totals::default()
    };
    let mut room = note::Room::default();
    let mut events = appointment::Room::default();
    // They give their unique values free before the survivor takes them.
    for source in &taken {
        let mut gone = source.clone();
        gone.status = Status::Deleted;
        gone.merged_into = Some(survivor);
        gone.deleted_at = Some(tx.now());
        gone.updated_at = tx.now();
        save(tx, account, Some(source), &gone)?;
        totals.notes_moved += note::move_all(tx, account, source.id, survivor, &mut room).await?;
        totals.events_moved +=
            appointment::move_all(tx, account, source.id, survivor, &mut events).await?;
    }
    save(tx, account, Some(&before), &after)?;
    let data = notice::TakenOver::of(&after, &taken, &filled, actor);
    event::emit(tx, account, "leads_merged", &data).await?;
    Ok(totals)
}

/// Fills the survivor's empty fields with the first values of the sources. Gives their names,
/// sorted.
fn fill(survivor: &mut Lead, sources: &[Lead]) -> Vec<&'static str> {
    let mut filled = Vec::new();
    for text in Text::ALL {
        let own = survivor.text(text);
        let was_empty = own.is_empty();
        let values = [own].into_iter();
        let values = values.chain(sources.iter().map(|lead| lead.text(text)));
        let values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
        let value = match text {
            Text::AdminNotes => values.join("\n"),
            _ => values.first().copied().unwrap_or_default().to_owned(),
        };
        if was_empty && !value.is_empty() {
            filled.push(text.name());
        }
        survivor.set_text(text, value);
    }
    macro_rules! take {
        ($($field:ident: $name:literal),*) => {
            $(if survivor.$field.is_none()
                && let Some(value) = sources.iter().find_map(|lead| lead.$field.clone())
            {
                survivor.$field = Some(value);
                filled.push($name);
            })*
        };
    }
    take!(external_id: "external_id", contact_id: "contact_id");
    take!(lat: "lat", lng: "lng", followup_at: "followup_at", gmt_offset: "gmt_offset");
    if survivor.pool.is_none() {
        // What waits in a pool is nobody's.
        take!(owner_id: "owner", assignee_id: "assignee");
    }
    let custom_status = sources.iter().map(|lead| lead.custom_status);
    if survivor.custom_status == 0
        && let Some(status) = custom_status.into_iter().find(|status| *status != 0)
    {
        survivor.custom_status = status;
        filled.push("custom_status");
    }
    for source in sources {
        survivor.tags.extend(&source.tags);
    }
    filled.sort_unstable();
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::lead::Degrees;
    use crate::domain::lead::tests::blank;

    #[test]
    fn empty_fields_take_the_first_value_and_admin_notes_are_joined() {
        let (mut survivor, mut one, mut two) = (blank(1), blank(2), blank(3));
        survivor.set_text(Text::City, "Springfield".to_owned());
        survivor.set_text(Text::AdminNotes, "a".to_owned());
        one.set_text(Text::City, "Shelbyville".to_owned());
        one.set_text(Text::Cell, "1".to_owned());
        one.set_text(Text::AdminNotes, "b".to_owned());
        one.tags = BTreeSet::from([7]);
        two.set_text(Text::Cell, "2".to_owned());
        two.set_text(Text::AdminNotes, "c".to_owned());
        two.external_id = Some("x".to_owned());
        two.lat = Some(Degrees(1.5));
        two.custom_status = 3;
        two.tags = BTreeSet::from([8]);
        let filled = fill(&mut survivor, &[one, two]);
        assert_eq!(filled, ["cell", "custom_status", "external_id", "lat"]);
        assert_eq!(survivor.text(Text::City), "Springfield");
        assert_eq!(survivor.text(Text::Cell), "1");
        assert_eq!(survivor.text(Text::AdminNotes), "a\nb\nc");
        assert_eq!(survivor.tags, BTreeSet::from([7, 8]));
    }

    #[test]
    fn a_pool_keeps_its_lead_without_owner_and_assignee() {
        let (mut survivor, mut source) = (blank(1), blank(2));
        source.owner_id = Some(5);
        source.assignee_id = Some(6);
        survivor.pool = Some("east".to_owned());
        assert!(fill(&mut survivor, &[source.clone()]).is_empty());
        survivor.pool = None;
        assert_eq!(fill(&mut survivor, &[source]), ["assignee", "owner"]);
    }
}
