//! Categories and articles of an account's knowledge base, which only the operator writes.
//!
//! Owns the routes, and how an entry is named. Suggestions come through the helpdesk surface.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::{Call, pairs};
use crate::domain::conversation::message::Author;
use crate::domain::kb::{self, Changes, Entry, Kind};
use crate::domain::{text, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, EntryId};
use crate::store::Tx;

/// Entries of a page.
const MAX_PAGE: usize = 1000;

/// What is given of an entry; a category has a title and a category only.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    title: Option<String>,
    /// Reference or title of the category that it stands in.
    category: Option<String>,
    content: Option<String>,
    metadescription: Option<String>,
    keywords: Option<String>,
    /// Everybody may read it.
    public: Option<bool>,
}

#[derive(Serialize)]
struct View {
    entry: EntryId,
    title: String,
    category: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadescription: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<String>,
    public: bool,
    deleted: bool,
    created_at: String,
    changed_at: String,
}

async fn view(tx: &Tx, account: AccountId, entry: Entry) -> Result<View> {
    let category = match entry.parent {
        Some(id) => kb::by_id(tx, account, id).await?,
        None => None,
    };
    let is_article = entry.kind != Kind::Category;
    let text = |text: String| is_article.then_some(text);
    Ok(View {
        entry: entry.reference,
        title: entry.title,
        category: category.map(|category| category.reference),
        content: text(entry.content),
        metadescription: text(entry.metadescription),
        keywords: text(entry.keywords),
        public: entry.is_public,
        deleted: entry.deleted,
        created_at: entry.created_at.to_string(),
        changed_at: entry.changed_at.to_string(),
    })
}

#[derive(Serialize)]
struct Entries {
    entries: Vec<View>,
}

async fn shown(call: &Call<Bytes>, found: Vec<Entry>) -> Reply {
    let (tx, id) = (call.core.db.view(), call.caller.account);
    let mut entries = Vec::with_capacity(found.len());
    for entry in found {
        entries.push(view(&tx, id, entry).await?);
    }
    Ok(ok(&Entries { entries })?)
}

/// `GET accounts/{account}/categories`.
pub(super) async fn categories(call: Call<Bytes>) -> Reply {
    let found = kb::categories(&call.core.db.view(), call.caller.account).await?;
    shown(&call, found).await
}

/// `GET accounts/{account}/articles`: suggestions too, at most 1000 behind the first `skip`.
pub(super) async fn articles(call: Call<Bytes>) -> Reply {
    let mut skip = 0;
    for (name, value) in pairs(call.head.query.as_bytes())? {
        if name == "skip" {
            let number = value.parse();
            skip = number.map_err(|_| Error::invalid("skip", "must be a number"))?;
        }
    }
    let found = kb::entries(&call.core.db.view(), call.caller.account, skip, MAX_PAGE).await?;
    shown(&call, found).await
}

/// `POST accounts/{account}/categories`.
pub(super) async fn add_category(call: Call<Bytes>) -> Reply {
    add(call, Kind::Category).await
}

/// `POST accounts/{account}/articles`.
pub(super) async fn add_article(call: Call<Bytes>) -> Reply {
    add(call, Kind::Article).await
}

/// `PATCH accounts/{account}/categories/{entry}`: by its reference or title.
pub(super) async fn set_category(call: Call<Bytes>) -> Reply {
    set(call, Kind::Category).await
}

/// `PATCH accounts/{account}/articles/{entry}`: by its reference.
pub(super) async fn set_article(call: Call<Bytes>) -> Reply {
    set(call, Kind::Article).await
}

/// `DELETE accounts/{account}/categories/{entry}`.
pub(super) async fn remove_category(call: Call<Bytes>) -> Reply {
    change(call, Kind::Category, gone()).await
}

/// `DELETE accounts/{account}/articles/{entry}`.
pub(super) async fn remove_article(call: Call<Bytes>) -> Reply {
    change(call, Kind::Article, gone()).await
}

fn gone() -> (Changes, Option<String>) {
    let changes = Changes {
        deleted: Some(true),
        ..Changes::default()
    };
    (changes, None)
}

async fn add(call: Call<Bytes>, kind: Kind) -> Reply {
    let wire: Wire = decode(&call.input)?;
    if wire.title.is_none() {
        return Err(Error::invalid("title", "must be given").into());
    }
    let (changes, category) = &checked(wire, kind)?;
    let id = call.caller.account;
    let added = call
        .commit_order(|tx| async move {
            let changes = placed(&tx, id, changes, category.as_deref()).await?;
            let added = kb::create(&tx, id, kind, Author::System, &changes).await?;
            answer(StatusCode::CREATED, &view(&tx, id, added).await?)
        })
        .await?;
    Ok(added)
}

async fn set(call: Call<Bytes>, kind: Kind) -> Reply {
    let changes = checked(decode(&call.input)?, kind)?;
    change(call, kind, changes).await
}

async fn change(call: Call<Bytes>, kind: Kind, changes: (Changes, Option<String>)) -> Reply {
    let (changes, category) = &changes;
    let (id, head) = (call.caller.account, &call.head);
    let named = head.param("entry").unwrap_or_default();
    let set = call
        .commit_order(|tx| async move {
            let found = find(&tx, id, kind, named).await?;
            let changes = placed(&tx, id, changes, category.as_deref()).await?;
            let after = kb::update(&tx, id, &found, &changes).await?;
            ok(&view(&tx, id, after).await?)
        })
        .await?;
    Ok(set)
}

/// The texts in their forms, and the category as it is named.
fn checked(wire: Wire, kind: Kind) -> Result<(Changes, Option<String>)> {
    let of_article = [
        ("content", wire.content.is_some()),
        ("metadescription", wire.metadescription.is_some()),
        ("keywords", wire.keywords.is_some()),
        ("public", wire.public.is_some()),
    ];
    if kind == Kind::Category
        && let Some((field, _)) = of_article.into_iter().find(|(_, given)| *given)
    {
        return Err(Error::invalid(field, "a category has none"));
    }
    let short = |field, given: Option<String>| {
        let note = given.map(|given| text::note(field, &given, kb::MAX_TITLE));
        note.transpose()
    };
    let title = wire
        .title
        .map(|title| text::name("title", &title, kb::MAX_TITLE));
    let content = wire.content.map(|content| {
        let kept = words::multi_line(&content);
        let short = kept.filter(|kept| kept.chars().count() <= kb::MAX_CONTENT);
        short.ok_or_else(|| Error::invalid("content", "must have at most 10000 characters"))
    });
    let changes = Changes {
        title: title.transpose()?,
        content: content.transpose()?,
        metadescription: short("metadescription", wire.metadescription)?,
        keywords: short("keywords", wire.keywords)?,
        is_public: wire.public,
        ..Changes::default()
    };
    Ok((changes, wire.category))
}

/// The changes with the category that is named.
async fn placed(
    tx: &Tx,
    account: AccountId,
    changes: &Changes,
    category: Option<&str>,
) -> Result<Changes> {
    let parent = match category {
        Some(named) => Some(find(tx, account, Kind::Category, named).await?.id),
        None => None,
    };
    Ok(Changes {
        parent,
        ..changes.clone()
    })
}

/// The entry of a kind by its reference; a category by its title too.
async fn find(tx: &Tx, account: AccountId, kind: Kind, named: &str) -> Result<Entry> {
    let mut found = match named.parse() {
        Ok(reference) => kb::by_reference(tx, account, reference).await?,
        Err(_) => None,
    };
    if found.is_none() && kind == Kind::Category {
        let title = words::fold(named.trim());
        let mut all = kb::categories(tx, account).await?.into_iter();
        found = all.find(|category| words::fold(&category.title) == title);
    }
    // The operator may withdraw a suggestion too.
    let is_of_kind = |found: &Entry| (found.kind == Kind::Category) == (kind == Kind::Category);
    found.filter(is_of_kind).ok_or_else(|| match kind {
        Kind::Category => Error::not_found("There is no such category"),
        _ => Error::not_found("There is no such article"),
    })
}
