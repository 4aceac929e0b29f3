//! What consumers are told of leads (`protocols/notifications.md` 4.3).
//!
//! Owns the shape of those notifications. Does not know when they are due.

use serde::Serialize;

use super::note::LeadNote;
use super::{Degrees, Lead, Text};
use crate::domain::actor::Actor;
use crate::domain::{change, event, tag, user};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// LEAD of section 3.
#[derive(Debug, Clone, Serialize)]
pub struct Data {
    lead_id: u64,
    slug: String,
    external_id: Option<String>,
    contact_id: Option<u64>,
    owner: Option<String>,
    assignee: Option<String>,
    pool: Option<String>,
    first_name: String,
    last_name: String,
    company: String,
    address: String,
    address_2: String,
    city: String,
    state: String,
    zip: String,
    country: String,
    lat: Option<Degrees>,
    lng: Option<Degrees>,
    phone: String,
    cell: String,
    ok_to_text: bool,
    fax: String,
    skype: String,
    ip: String,
    followup_at: Option<String>,
    besttime: String,
    status: &'static str,
    priority: String,
    custom_status: u32,
    gmt_offset: Option<i64>,
    email: String,
    admin_notes: String,
    govt_id: String,
    source: String,
    sub_id: String,
    sub_id2: String,
    birth_date: String,
    location: String,
    message: String,
    tags: Vec<String>,
    created_at: String,
    updated_at: String,
}

/// The username of a user, as long as there is one.
pub async fn username(tx: &Tx, account: AccountId, id: Option<u64>) -> Result<Option<String>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let found = user::by_id(tx, account, id).await?;
    Ok(found.map(|user| user.username))
}

impl Data {
    /// Of this lead.
    pub async fn of(tx: &Tx, account: AccountId, lead: &Lead) -> Result<Self> {
        let text = |text| lead.text(text).to_owned();
        Ok(Self {
            lead_id: lead.id,
            slug: lead.slug.clone(),
            external_id: lead.external_id.clone(),
            contact_id: lead.contact_id,
            owner: username(tx, account, lead.owner_id).await?,
            assignee: username(tx, account, lead.assignee_id).await?,
            pool: lead.pool.clone(),
            first_name: text(Text::FirstName),
            last_name: text(Text::LastName),
            company: text(Text::Company),
            address: text(Text::Address),
            address_2: text(Text::Address2),
            city: text(Text::City),
            state: text(Text::State),
            zip: text(Text::Zip),
            country: text(Text::Country),
            lat: lead.lat,
            lng: lead.lng,
            phone: text(Text::Phone),
            cell: text(Text::Cell),
            ok_to_text: lead.ok_to_text,
            fax: text(Text::Fax),
            skype: text(Text::Skype),
            ip: text(Text::Ip),
            followup_at: lead.followup_at.map(|time| time.to_string()),
            besttime: text(Text::BestTime),
            status: lead.status.word(),
            priority: text(Text::Priority),
            custom_status: lead.custom_status,
            gmt_offset: lead.gmt_offset,
            email: text(Text::Email),
            admin_notes: text(Text::AdminNotes),
            govt_id: text(Text::GovtId),
            source: text(Text::Source),
            sub_id: text(Text::SubId),
            sub_id2: text(Text::SubId2),
            birth_date: text(Text::BirthDate),
            location: text(Text::Location),
            message: text(Text::Message),
            tags: tag::names(tx, account, &lead.tags).await?,
            created_at: lead.created_at.to_string(),
            updated_at: lead.updated_at.to_string(),
        })
    }
}

/// Appends `new_lead`.
pub async fn created(tx: &Tx, account: AccountId, lead: &Lead, actor: &Actor) -> Result<()> {
    #[derive(Serialize)]
    struct New<'a> {
        #[serde(flatten)]
        lead: Data,
        actor: Option<&'a str>,
    }
    let data = New {
        lead: Data::of(tx, account, lead).await?,
        actor: actor.username(),
    };
    event::emit(tx, account, "new_lead", &data).await?;
    Ok(())
}

/// Appends `update_lead`.
pub async fn updated(
    tx: &Tx,
    account: AccountId,
    before: &Lead,
    after: &Lead,
    actor: &Actor,
) -> Result<()> {
    #[derive(Serialize)]
    struct Updated<'a> {
        #[serde(flatten)]
        lead: Data,
        changed: Vec<String>,
        actor: Option<&'a str>,
    }
    let (before, after) = (
        Data::of(tx, account, before).await?,
        Data::of(tx, account, after).await?,
    );
    let data = Updated {
        changed: change::changed(&before, &after)?,
        lead: after,
        actor: actor.username(),
    };
    event::emit(tx, account, "update_lead", &data).await?;
    Ok(())
}

/// Data of `new_lead_note`.
#[derive(Debug, Serialize)]
pub struct NoteData<'a> {
    note_id: u64,
    lead_id: u64,
    slug: &'a str,
    kind: &'a str,
    note: &'a str,
    created_at: String,
    actor: Option<&'a str>,
}

impl<'a> NoteData<'a> {
    /// Of this note.
    pub fn of(note: &'a LeadNote, lead: &'a Lead, actor: &'a Actor) -> Self {
        Self {
            note_id: note.id,
            lead_id: lead.id,
            slug: &lead.slug,
            kind: &note.kind,
            note: &note.text,
            created_at: note.created_at.to_string(),
            actor: actor.username(),
        }
    }
}

/// Data of `delete_lead_note`.
#[derive(Debug, Serialize)]
pub struct NoteErased<'a> {
    note_id: u64,
    lead_id: u64,
    slug: &'a str,
    actor: Option<&'a str>,
}

impl<'a> NoteErased<'a> {
    /// Of this note.
    pub fn of(note: &LeadNote, lead: &'a Lead, actor: &'a Actor) -> Self {
        Self {
            note_id: note.id,
            lead_id: lead.id,
            slug: &lead.slug,
            actor: actor.username(),
        }
    }
}

/// Data of `delete_lead`.
#[derive(Debug, Serialize)]
pub struct Deleted<'a> {
    lead_id: u64,
    slug: &'a str,
    actor: Option<&'a str>,
}

impl<'a> Deleted<'a> {
    /// Of this lead.
    pub fn of(lead: &'a Lead, actor: &'a Actor) -> Self {
        Self {
            lead_id: lead.id,
            slug: &lead.slug,
            actor: actor.username(),
        }
    }
}

/// A lead that another one took over.
#[derive(Debug, Serialize)]
pub struct MergedLead {
    lead_id: u64,
    slug: String,
}

/// Data of `leads_merged`.
#[derive(Debug, Serialize)]
pub struct TakenOver<'a> {
    lead_id: u64,
    slug: &'a str,
    merged: Vec<MergedLead>,
    fields_filled: &'a [&'static str],
    actor: Option<&'a str>,
}

impl<'a> TakenOver<'a> {
    /// Of this survivor.
    pub fn of(
        survivor: &'a Lead,
        sources: &[Lead],
        fields_filled: &'a [&'static str],
        actor: &'a Actor,
    ) -> Self {
        let merged = sources.iter().map(|lead| MergedLead {
            lead_id: lead.id,
            slug: lead.slug.clone(),
        });
        Self {
            lead_id: survivor.id,
            slug: &survivor.slug,
            merged: merged.collect(),
            fields_filled,
            actor: actor.username(),
        }
    }
}

/// Data of `lead_tags`.
#[derive(Debug, Serialize)]
pub struct Tagged<'a> {
    /// Which lead.
    pub lead_id: u64,
    /// Its slug.
    pub slug: &'a str,
    /// Names of the tags that it has now.
    pub added: Vec<String>,
    /// Names of the tags that it has no more.
    pub removed: Vec<String>,
    /// Names of all its tags.
    pub tags: Vec<String>,
    /// Who did it.
    pub actor: Option<&'a str>,
}

/// Data of `lead_transferred`.
#[derive(Debug, Serialize)]
pub struct Transferred<'a> {
    /// Which lead.
    pub lead_id: u64,
    /// Its slug.
    pub slug: &'a str,
    /// Username of the owner before.
    pub from_owner: Option<String>,
    /// Username of the owner now.
    pub to_owner: Option<&'a str>,
    /// The pool in which it is now.
    pub to_pool: Option<&'a str>,
    /// Notes that were erased.
    pub notes_erased: u64,
    /// Who did it.
    pub actor: Option<&'a str>,
}
