//! Calls 24 to 28 and 58 to 62: customers groups and tags, which look alike.

use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::form::Form;
use crate::api::helpdesk::value::Value;
use crate::domain::list::{self, List};
use crate::domain::tag::{self, Tag};
use crate::error::{Error, Kind, Result};
use crate::store::Tx;

/// Name and colors, as they are given.
#[derive(Debug, Default)]
struct Colored {
    name: Option<String>,
    color: Option<String>,
    bg_color: Option<String>,
}

impl Colored {
    fn read(form: &mut Form<'_>, max_name: usize) -> Self {
        Self {
            name: form.text("name", max_name),
            color: form.color("color"),
            bg_color: form.color("bg_color"),
        }
    }

    fn list(&self) -> list::Changes {
        list::Changes {
            name: self.name.clone(),
            color: self.color.clone(),
            bg_color: self.bg_color.clone(),
        }
    }

    fn tag(&self) -> tag::Changes {
        tag::Changes {
            name: self.name.clone(),
            color: self.color.clone(),
            bg_color: self.bg_color.clone(),
        }
    }

    /// A taken name, in the words of this surface.
    fn told(&self, what: &str, error: Error) -> Error {
        let name = self.name.as_deref().unwrap_or_default();
        match error.kind {
            Kind::Conflict => faults::taken(what, "name", name),
            _ => error,
        }
    }
}

/// COLORED.
fn colored(id: String, name: &str, color: &str, bg_color: &str) -> [(&'static str, Value); 4] {
    [
        ("id", id.into()),
        ("name", name.into()),
        ("color", color.into()),
        ("bg_color", bg_color.into()),
    ]
}

fn of_list(list: &List) -> [(&'static str, Value); 4] {
    colored(
        list.reference.to_string(),
        &list.name,
        &list.color,
        &list.bg_color,
    )
}

fn of_tag(tag: &Tag) -> [(&'static str, Value); 4] {
    colored(
        tag.reference.to_string(),
        &tag.name,
        &tag.color,
        &tag.bg_color,
    )
}

async fn group(tx: &Tx, call: &HelpdeskCall) -> Result<List> {
    let id = call.named();
    let found = match id.parse() {
        Ok(reference) => list::by_reference(tx, call.account.id, reference).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| faults::not_found("group", "id", id))
}

async fn tag(tx: &Tx, call: &HelpdeskCall) -> Result<Tag> {
    let id = call.named();
    let found = match id.parse() {
        Ok(reference) => tag::by_reference(tx, call.account.id, reference).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| faults::not_found("tag", "id", id))
}

/// `DELETE customersgroups/[groupid]`.
pub async fn remove_group(call: &HelpdeskCall) -> Outcome {
    call.commit(|tx| async move {
        let group = group(&tx, call).await?;
        list::remove(&tx, call.account.id, &group).await?;
        Ok(Value::ok())
    })
    .await
}

/// `GET customersgroups/[groupid]`.
pub async fn get_group(call: &HelpdeskCall) -> Outcome {
    let group = group(&call.view(), call).await?;
    call.reply(&Value::members(of_list(&group)))
}

/// `GET customersgroups`.
pub async fn groups(call: &HelpdeskCall) -> Outcome {
    let lists = list::all(&call.view(), call.account.id).await?;
    let rows = lists.into_iter().map(|list| {
        Value::members([
            ("id", list.reference.to_string().into()),
            ("name", list.name.into()),
        ])
    });
    call.reply(&Value::list("groups", "group", rows.collect()))
}

/// `POST customersgroups`.
pub async fn add_group(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["name"]);
    let given = Colored::read(&mut form, list::MAX_NAME);
    form.finish()?;
    let given = &given;
    call.commit(|tx| async move {
        let made = list::create(&tx, call.account.id, &given.list()).await;
        let made = made.map_err(|error| given.told("group", error))?;
        Ok(Value::ok_with(of_list(&made)))
    })
    .await
}

/// `PUT customersgroups/[groupid]`.
pub async fn set_group(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let given = Colored::read(&mut form, list::MAX_NAME);
    form.finish()?;
    let given = &given;
    call.commit(|tx| async move {
        let group = group(&tx, call).await?;
        let set = list::update(&tx, call.account.id, &group, &given.list()).await;
        set.map_err(|error| given.told("group", error))?;
        Ok(Value::ok())
    })
    .await
}

/// `DELETE tags/[id]`.
pub async fn remove_tag(call: &HelpdeskCall) -> Outcome {
    call.commit(|tx| async move {
        let tag = tag(&tx, call).await?;
        tag::remove(&tx, call.account.id, &tag).await?;
        Ok(Value::ok())
    })
    .await
}

/// `GET tags`.
pub async fn tags(call: &HelpdeskCall) -> Outcome {
    let tags = tag::all(&call.view(), call.account.id).await?;
    let rows = tags.iter().map(|tag| Value::members(of_tag(tag)));
    call.reply(&Value::list("tags", "tag", rows.collect()))
}

/// `GET tags/[id]`.
pub async fn get_tag(call: &HelpdeskCall) -> Outcome {
    let tag = tag(&call.view(), call).await?;
    call.reply(&Value::members(of_tag(&tag)))
}

/// `POST tags`.
pub async fn add_tag(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["name"]);
    let given = Colored::read(&mut form, tag::MAX_NAME);
    form.finish()?;
    let given = &given;
    call.commit(|tx| async move {
        let made = tag::create(&tx, call.account.id, &given.tag()).await;
        let made = made.map_err(|error| given.told("tag", error))?;
        Ok(Value::ok_with(of_tag(&made)))
    })
    .await
}

/// `PUT tags/[id]`.
pub async fn set_tag(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let given = Colored::read(&mut form, tag::MAX_NAME);
    form.finish()?;
    let given = &given;
    call.commit(|tx| async move {
        let tag = tag(&tx, call).await?;
        let set = tag::update(&tx, call.account.id, &tag, &given.tag()).await;
        set.map_err(|error| given.told("tag", error))?;
        Ok(Value::ok())
    })
    .await
}
