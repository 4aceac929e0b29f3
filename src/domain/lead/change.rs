//! How leads come to be and change.
//!
//! Owns the order of what happens then, and of what is told. Does not know how parameters are
//! spelled.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Fields, Now};
use super::{
    BY_EXTERNAL_ID, KIND, Lead, MAX_TAGS, Status, Text, by_external_id, found, live, note, notice,
    rights, save, slug,
};
use crate::clock::Millis;
use crate::domain::account::Account;
use crate::domain::actor::{Actor, Rights};
use crate::domain::appointment::{self, NewAppointment};
use crate::domain::contact::{self, Person};
use crate::domain::{sequence, tag, user};
use crate::error::{Error, Result};
use crate::store::{Tx, keys};

/// The source of a lead that names none.
const DEFAULT_SOURCE: &str = "manual";
/// How long a follow-up takes.
const FOLLOW_UP: Millis = Millis::minutes(30);
/// What is noted about it.
const FOLLOW_UP_NOTE: &str = "Follow-up";

/// Creates a lead, owned by `owner`, else by the acting user, else by the account's default owner;
/// a user always owns what it creates. A known external id gives that lead as it is.
pub async fn create(
    tx: &Tx,
    account: &Account,
    fields: &Fields,
    owner: Option<u64>,
    actor: &Actor,
) -> Result<Lead> {
    let owner_id = owner_of(tx, account, owner, actor).await?;
    if let Some(text) = &fields.external_id
        && let Some(known) = by_external_id(tx, account.id, text).await?
    {
        return Ok(known);
    }
    let text = |text| fields.texts.get(&text).map_or("", String::as_str);
    let contact_id = link(tx, account, &text).await?;
    let tags = tag::ensure(tx, account.id, &fields.tags).await?;
    let id = sequence::next(tx, account.id, KIND).await?;
    let blank = Lead {
        id,
        slug: slug(text(Text::FirstName), text(Text::LastName), id),
        external_id: None,
        contact_id,
        owner_id,
        assignee_id: None,
        pool: None,
        texts: BTreeMap::from([(Text::Source, DEFAULT_SOURCE.to_owned())]),
        lat: None,
        lng: None,
        ok_to_text: false,
        followup_at: None,
        status: Status::default(),
        custom_status: 0,
        gmt_offset: None,
        tags: BTreeSet::new(),
        merged_into: None,
        created_at: tx.now(),
        updated_at: tx.now(),
        deleted_at: None,
    };
    let lead = fields.applied(&blank, &tags, &now(tx, account));
    bounded(&lead)?;
    save(tx, account.id, None, &lead).await?;
    notice::created(tx, account.id, &lead, actor).await?;
    add_notes(tx, account, &lead, fields, actor).await?;
    Ok(lead)
}

/// Changes a lead that is not deleted. Equal values change nothing and say nothing. A follow-up
/// that moves into the future also becomes an appointment.
pub async fn update(
    tx: &Tx,
    account: &Account,
    id: u64,
    fields: &Fields,
    actor: &Actor,
) -> Result<Lead> {
    let before = found(live(tx, account.id, id).await?)?;
    if fields.are_only_notes() {
        rights::attend(actor.rights, &before)?;
    } else {
        rights::change(actor.rights, &before)?;
    }
    is_free(tx, account, fields, &before).await?;
    let tags = tag::ensure(tx, account.id, &fields.tags).await?;
    let mut after = fields.applied(&before, &tags, &now(tx, account));
    bounded(&after)?;
    if after != before {
        after.updated_at = tx.now();
        save(tx, account.id, Some(&before), &after).await?;
        notice::updated(tx, account.id, &before, &after, actor).await?;
    }
    add_notes(tx, account, &after, fields, actor).await?;
    if after.followup_at != before.followup_at {
        follow_up(tx, account, &after, actor).await?;
    }
    Ok(after)
}

fn now<'a>(tx: &Tx, account: &'a Account) -> Now<'a> {
    Now {
        time: tx.now(),
        zone: &account.settings.time_zone,
    }
}

async fn owner_of(
    tx: &Tx,
    account: &Account,
    given: Option<u64>,
    actor: &Actor,
) -> Result<Option<u64>> {
    if let Rights::User { id, .. } = actor.rights {
        return Ok(Some(id));
    }
    if let Some(id) = given {
        let owner = user::by_id(tx, account.id, id).await?;
        let owner = owner.ok_or_else(|| Error::not_found("Record does not exist"))?;
        return Ok(Some(owner.id));
    }
    match actor.id() {
        Some(id) => Ok(Some(id)),
        None => user::default_owner(tx, account).await,
    }
}

/// The contact of a new lead.
async fn link<'a>(
    tx: &Tx,
    account: &Account,
    text: &impl Fn(Text) -> &'a str,
) -> Result<Option<u64>> {
    let code = account.settings.default_country_code.as_deref();
    let is_phone = |text: &&str| crate::domain::phone::completed(text, code).is_some();
    let numbers = [text(Text::Phone), text(Text::Cell)];
    let person = Person {
        phone: numbers.into_iter().find(is_phone),
        email: Some(text(Text::Email)),
        first_name: text(Text::FirstName),
        last_name: text(Text::LastName),
        identity: None,
    };
    let found = Box::pin(contact::link(tx, account, &person)).await?;
    Ok(found.map(|contact| contact.id))
}

/// The external id belongs to no other lead.
async fn is_free(tx: &Tx, account: &Account, fields: &Fields, lead: &Lead) -> Result<()> {
    let Some(text) = &fields.external_id else {
        return Ok(());
    };
    let key = keys::unique(BY_EXTERNAL_ID, account.id, text);
    match tx.read::<u64>(&key).await? {
        Some(id) if id != lead.id => Err(Error::conflict("External id already exists")),
        _ => Ok(()),
    }
}

/// What a change makes of a lead stays within bounds.
pub(super) fn bounded(lead: &Lead) -> Result<()> {
    if lead.tags.len() > MAX_TAGS {
        let text = format!("A lead can have at most {MAX_TAGS} tags");
        return Err(Error::conflict(text));
    }
    if lead.text(Text::AdminNotes).chars().count() > Text::AdminNotes.max() {
        return Err(Error::conflict("The admin notes are too long"));
    }
    Ok(())
}

async fn add_notes(
    tx: &Tx,
    account: &Account,
    lead: &Lead,
    fields: &Fields,
    actor: &Actor,
) -> Result<()> {
    for new in &fields.notes {
        note::add(tx, account.id, lead, new, actor).await?;
    }
    Ok(())
}

async fn follow_up(tx: &Tx, account: &Account, lead: &Lead, actor: &Actor) -> Result<()> {
    let start = lead.followup_at.filter(|start| *start > tx.now());
    let (Some(start), Some(user_id)) = (start, lead.owner_id.or(actor.id())) else {
        return Ok(());
    };
    if appointment::occupies_at(tx, account.id, lead.id, user_id, start).await? {
        return Ok(());
    }
    let new = NewAppointment {
        user_id,
        start,
        end: start.after(FOLLOW_UP),
        note: FOLLOW_UP_NOTE.to_owned(),
        status: appointment::Status::default(),
    };
    appointment::insert(tx, account.id, lead, new, actor).await?;
    Ok(())
}
