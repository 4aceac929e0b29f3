//! Calls 5 to 8 and 13 to 15: conversations, their fields and tags.

use std::collections::{BTreeMap, BTreeSet};

use super::people::{self, owner_name};
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::form::{Form, Page};
use crate::api::helpdesk::value::Value;
use crate::domain::contact::{self, Contact};
use crate::domain::conversation::find::{Wanted, find};
use crate::domain::conversation::{self, Channel, Conversation, Status};
use crate::domain::department::{self, Department};
use crate::domain::tag::{self, Tag};
use crate::domain::user;
use crate::domain::words::fold;
use crate::error::{Error, Result};
use crate::store::Tx;

/// Rows of a list if nothing is said.
const ROWS: usize = 1000;
/// Letters of channels; what is not among the first five is known and matches nothing.
const CHANNELS: &str = "ECWXUBMIFATQS";

/// The conversation whom the path names.
pub async fn of_path(tx: &Tx, call: &HelpdeskCall) -> Result<Conversation> {
    let found = conversation::named(tx, call.account.id, call.named()).await?;
    found.ok_or_else(|| faults::unable("conversation"))
}

/// Contacts and departments of conversations that are shown together.
#[derive(Default)]
struct Around {
    contacts: BTreeMap<u64, Contact>,
    departments: BTreeMap<u64, Department>,
}

impl Around {
    async fn of(&mut self, tx: &Tx, call: &HelpdeskCall, it: &Conversation) -> Result<()> {
        let account = call.account.id;
        if !self.contacts.contains_key(&it.contact_id) {
            let found = contact::by_id(tx, account, it.contact_id).await?;
            self.contacts.extend(found.map(|found| (found.id, found)));
        }
        if !self.departments.contains_key(&it.department_id) {
            let found = department::by_id(tx, account, it.department_id).await?;
            self.departments.insert(found.id, found);
        }
        Ok(())
    }

    /// Members of CONV up to subject.
    fn members(&self, call: &HelpdeskCall, it: &Conversation) -> Vec<(&'static str, Value)> {
        let owner = self.contacts.get(&it.contact_id);
        let department = self.departments.get(&it.department_id);
        let text = |of: fn(&Department) -> String| Value::from(department.map(of));
        vec![
            ("conversationid", it.reference.to_string().into()),
            ("code", it.code.as_str().into()),
            ("datecreated", call.local(it.created_at)),
            ("datechanged", call.local(it.changed_at)),
            ("departmentname", text(|it| it.name.clone())),
            ("departmentid", text(|it| it.reference.to_string())),
            ("status", it.status.letter().to_string().into()),
            ("ownername", owner.and_then(owner_name).into()),
            (
                "owneremail",
                owner.and_then(|owner| owner.email.clone()).into(),
            ),
            ("subject", it.subject.as_str().into()),
        ]
    }
}

/// `GET conversations`.
pub async fn list(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let filter = Filter::read(&mut form);
    form.finish()?;
    let tx = &call.view();
    let Some(wanted) = filter.wanted(tx, call).await? else {
        return call.reply(&Value::list("conversations", "conversation", Vec::new()));
    };
    let also = |it: &Conversation| filter.holds(call, it);
    let also: Option<&(dyn Fn(&Conversation) -> bool + Sync)> = if filter.asks_more() {
        Some(&also)
    } else {
        None
    };
    let (skip, take) = (filter.page.skip, filter.page.take);
    let found = find(tx, call.account.id, &wanted, also, (skip, take)).await?;
    let mut around = Around::default();
    let mut rows = Vec::with_capacity(found.len());
    for it in &found {
        around.of(tx, call, it).await?;
        let mut members = around.members(call, it);
        members.push(("preview", it.preview.as_str().into()));
        members.push(("publicurlcode", it.public_code.as_str().into()));
        rows.push(Value::members(members));
    }
    call.reply(&Value::list("conversations", "conversation", rows))
}

/// What call 7 asks for.
struct Filter {
    department: Option<String>,
    owner: Option<String>,
    statuses: Option<Vec<Status>>,
    from: Option<crate::clock::Timestamp>,
    until: Option<crate::clock::Timestamp>,
    changed: Option<crate::api::helpdesk::compared::Compared>,
    subject: Option<String>,
    channels: Option<BTreeSet<char>>,
    page: Page,
}

impl Filter {
    fn read(form: &mut Form<'_>) -> Self {
        form.need(&[
            "department",
            "owneridentifier",
            "channel_type",
            "limit",
            "limitcount",
            "offset",
            "limitfrom",
        ]);
        let letter = |text: &str| {
            let mut letters = CHANNELS.chars();
            letters.find(|letter| text.chars().eq([*letter]))
        };
        Self {
            department: form.named("department"),
            owner: form.named("owneridentifier"),
            statuses: form.csv("status", Status::of_letter),
            from: form.time("datefrom"),
            until: form.time_upper("dateto"),
            changed: form.compared("datechanged"),
            subject: form.named("subject").map(|subject| fold(&subject)),
            channels: form
                .csv("channel_type", letter)
                .map(|letters| letters.into_iter().collect()),
            page: form.page_of(ROWS),
        }
    }

    /// What of it the domain knows; none if nothing can be it.
    async fn wanted(&self, tx: &Tx, call: &HelpdeskCall) -> Result<Option<Wanted>> {
        let mut wanted = Wanted {
            from: self.from,
            until: self.until,
            ..Wanted::default()
        };
        if let Some(named) = &self.department {
            let Some(found) = department(tx, call, named).await? else {
                return Ok(None);
            };
            wanted.department = Some(found.id);
        }
        if let Some(named) = &self.owner {
            let Some(found) = people::customer(tx, call.account.id, named).await? else {
                return Ok(None);
            };
            wanted.contact = Some(found.id);
        }
        wanted.statuses = if let Some(statuses) = &self.statuses {
            statuses.iter().copied().collect()
        } else {
            let all = Status::ALL.into_iter();
            all.filter(|status| *status != Status::Deleted).collect()
        };
        Ok(Some(wanted))
    }

    /// Whether it asks for what no index knows.
    fn asks_more(&self) -> bool {
        self.changed.is_some() || self.subject.is_some() || self.channels.is_some()
    }

    fn holds(&self, call: &HelpdeskCall, it: &Conversation) -> bool {
        let zone = &call.account.settings.time_zone;
        let is_changed = self.changed.as_ref();
        let channels = self.channels.as_ref();
        is_changed.is_none_or(|changed| changed.holds(it.changed_at, zone))
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| fold(&it.subject) == *subject)
            && channels.is_none_or(|letters| letters.contains(&channel_letter(&it.channel)))
    }
}

/// The letter of a channel.
pub fn channel_letter(channel: &Channel) -> char {
    match channel {
        Channel::Email => 'E',
        Channel::Chat => 'C',
        Channel::Call => 'W',
        Channel::Sms => 'X',
        Channel::Custom(_) => 'U',
    }
}

/// The department with this id, deleted or not.
pub async fn department(tx: &Tx, call: &HelpdeskCall, id: &str) -> Result<Option<Department>> {
    match id.parse() {
        Ok(reference) => department::by_reference(tx, call.account.id, reference).await,
        Err(_) => Ok(None),
    }
}

/// `GET conversations/[conversationid]`.
pub async fn get(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let it = of_path(tx, call).await?;
    let mut around = Around::default();
    around.of(tx, call, &it).await?;
    let assigned = match it.assigned {
        Some(id) => user::by_id(tx, call.account.id, id).await?,
        None => None,
    };
    let mut members = around.members(call, &it);
    members.extend([
        // No call writes one.
        ("ownernote", "".into()),
        ("preview", it.preview.as_str().into()),
        ("publicurlcode", it.public_code.as_str().into()),
        (
            "assignedto",
            assigned.map(|user| user.reference.to_string()).into(),
        ),
        ("customfields", people::fields(&it.custom_fields)),
    ]);
    call.reply(&Value::members(members))
}

/// `DELETE conversations/[conversationid]/fields`.
pub async fn drop_fields(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let code = form.named("code");
    form.finish()?;
    let code = &code;
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        conversation::drop_fields(&tx, call.account.id, &it, code.as_deref()).await?;
        Ok(Value::ok())
    })
    .await
}

/// `POST conversations/[conversationid]/fields`.
pub async fn add_fields(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["customfields"]);
    let more = form.fields("customfields").unwrap_or_default();
    form.finish()?;
    let more = &more;
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        conversation::add_fields(&tx, call.account.id, &it, more).await?;
        Ok(Value::ok())
    })
    .await
}

/// `GET conversations/[conversationid]/tags`.
pub async fn tags(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let it = of_path(tx, call).await?;
    let tags = tag::those(tx, call.account.id, &it.tags).await?;
    let rows = tags.into_iter().map(|tag| {
        Value::members([
            ("id", tag.reference.to_string().into()),
            ("name", tag.name.into()),
        ])
    });
    call.reply(&Value::list("tags", "tag", rows.collect()))
}

/// `DELETE conversations/[conversationid]/tags`.
pub async fn drop_tag(call: &HelpdeskCall) -> Outcome {
    let named = &TagName::read(call)?;
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let tag = named.tag(&tx, call).await?;
        conversation::drop_tag(&tx, call.account.id, &it, &tag).await?;
        Ok(Value::ok())
    })
    .await
}

/// `POST conversations/[conversationid]/tags`.
pub async fn add_tag(call: &HelpdeskCall) -> Outcome {
    let named = &TagName::read(call)?;
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let tag = named.tag(&tx, call).await?;
        conversation::add_tag(&tx, call.account.id, &it, &tag).await?;
        Ok(Value::ok())
    })
    .await
}

/// The tag that a call names: by id, else by name.
struct TagName {
    id: Option<String>,
    name: String,
}

impl TagName {
    fn read(call: &HelpdeskCall) -> Result<Self, Error> {
        let mut form = call.form();
        form.need(&["id", "name"]);
        let (id, name) = (form.named("id"), form.named("name"));
        form.finish()?;
        Ok(Self {
            id,
            name: name.unwrap_or_default(),
        })
    }

    async fn tag(&self, tx: &Tx, call: &HelpdeskCall) -> Result<Tag> {
        let account = call.account.id;
        let Some(id) = &self.id else {
            let found = tag::named(tx, account, &self.name).await?;
            return found.ok_or_else(|| faults::not_found("tag", "name", &self.name));
        };
        let found = match id.parse() {
            Ok(reference) => tag::by_reference(tx, account, reference).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| faults::not_found("tag", "id", id))
    }
}
