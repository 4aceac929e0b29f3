//! Calls 32, 33, 56 and 57: the knowledge base.

use super::people;
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::value::Value;
use crate::domain::kb::{self, Entry, Kind};
use crate::domain::words;
use crate::error::Result;
use crate::store::Tx;

/// Characters of a question.
const MAX_QUERY: usize = 1000;
/// Between the titles of a path.
const SEPARATOR: &str = "/";

/// The titles of an entry and of what it stands in.
async fn full_path(tx: &Tx, call: &HelpdeskCall, entry: &Entry) -> Result<(Option<Entry>, String)> {
    let above = kb::above(tx, call.account.id, entry).await?;
    let titles = above.iter().map(|category| category.title.as_str());
    let titles: Vec<&str> = titles.chain([entry.title.as_str()]).collect();
    let path = titles.join(SEPARATOR);
    Ok((above.into_iter().next_back(), path))
}

/// ENTRY.
async fn entry(tx: &Tx, call: &HelpdeskCall, entry: &Entry) -> Result<Value> {
    let (parent, path) = full_path(tx, call, entry).await?;
    let rtype = match entry.kind {
        Kind::Suggestion => "S",
        Kind::Article | Kind::Category => "A",
    };
    Ok(Value::members([
        ("kb_entry_id", entry.reference.to_string().into()),
        ("rtype", rtype.into()),
        ("title", entry.title.as_str().into()),
        ("metadescription", entry.metadescription.as_str().into()),
        ("keywords", entry.keywords.as_str().into()),
        ("status", if entry.is_public { "P" } else { "N" }.into()),
        ("deleted", entry.deleted.into()),
        (
            "parent_entry_id",
            parent.map(|parent| parent.reference.to_string()).into(),
        ),
        ("full_path", path.into()),
        ("content", entry.content.as_str().into()),
        ("datecreated", call.local(entry.created_at)),
        ("datechanged", call.local(entry.changed_at)),
    ]))
}

async fn listed(tx: &Tx, call: &HelpdeskCall, found: &[Entry]) -> Outcome {
    let mut rows = Vec::with_capacity(found.len());
    for it in found {
        rows.push(entry(tx, call, it).await?);
    }
    call.reply(&Value::list("entries", "entry", rows))
}

/// `GET knowledgebase/entries`.
pub async fn entries(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let page = form.page();
    form.finish()?;
    let tx = &call.view();
    let found = kb::entries(tx, call.account.id, page.skip, page.take).await?;
    listed(tx, call, &found).await
}

/// `GET knowledgebase/search`.
pub async fn search(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["query"]);
    let query = form.text("query", MAX_QUERY).unwrap_or_default();
    let page = form.page();
    let parent = form.named("parent_entry_id");
    form.finish()?;
    let (tx, account) = (&call.view(), call.account.id);
    let parent = match parent {
        None => None,
        Some(id) => {
            let found = match id.parse() {
                Ok(reference) => kb::by_reference(tx, account, reference).await?,
                Err(_) => None,
            };
            // Nothing stands in what is not there.
            let Some(found) = found else {
                return listed(tx, call, &[]).await;
            };
            Some(found.id)
        }
    };
    let query = words::fold(&query);
    let needles: Vec<String> = query.split_whitespace().map(str::to_owned).collect();
    let found = kb::search(tx, account, &needles, parent, page.take).await?;
    listed(tx, call, &found).await
}

/// `GET suggestioncategories`.
pub async fn categories(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let mut rows = Vec::new();
    for category in kb::categories(tx, call.account.id).await? {
        let (_, path) = full_path(tx, call, &category).await?;
        rows.push(Value::members([
            ("id", category.reference.to_string().into()),
            ("title", category.title.into()),
            ("path", path.into()),
        ]));
    }
    call.reply(&Value::list(
        "suggestioncategories",
        "suggestioncategory",
        rows,
    ))
}

/// `POST suggestions`.
pub async fn suggest(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["title", "subject"]);
    form.need(&["message"]);
    form.need(&["categoryid"]);
    let name = form.either(&["title", "subject"]);
    let title = form.text(name, kb::MAX_TITLE).unwrap_or_default();
    let message = form.lines("message", kb::MAX_CONTENT).unwrap_or_default();
    let category = form.named("categoryid").unwrap_or_default();
    let by = form.named("useridentifier");
    form.finish()?;
    let (title, message, category, by) = (&title, &message, &category, &by);
    call.commit(|tx| async move {
        let account = call.account.id;
        let found = match category.parse() {
            Ok(reference) => kb::by_reference(&tx, account, reference).await?,
            Err(_) => None,
        };
        let found = found.filter(|found| found.kind == Kind::Category && !found.deleted);
        let category = found.ok_or_else(|| faults::unable("category"))?;
        let by = people::by(&tx, account, by.as_deref()).await?;
        let made = kb::suggest(&tx, account, &category, by.author, (title, message)).await?;
        Ok(Value::ok_with([("id", made.reference.to_string().into())]))
    })
    .await
}
