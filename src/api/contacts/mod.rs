//! The contacts surface at `/v1/` (`protocols/contacts-api.md`): JSON objects in, JSON out.
//!
//! Owns its mount, its credentials and its routes. Does not know how a contact is kept or a
//! message posted: the domain does.
//!
//! | file | what |
//! |---|---|
//! | `params.rs` | parameters in their order, with what is wrong with the first that is wrong |
//! | `wire.rs` | the forms of errors |
//! | `people.rs`, `lists.rs` | contacts and lists |
//! | `channels.rs` | messages of custom channels, and the list of a contact's messages |
//! | `sub_accounts.rs`, `usage.rs` | what agencies may do |

mod channels;
mod lists;
mod params;
mod people;
mod sub_accounts;
mod usage;
mod wire;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;

use params::Params;

use super::dialect::JSON;
use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, pairs};
use crate::auth::caller::Caller;
use crate::error::{Error, Result};

/// Where the surface is mounted.
const PREFIX: &str = "/v1";
/// Its name in keys.
const NAME: &str = "contacts";
/// The parameter of the query that holds the key.
const KEY: &str = "apiKey";
/// The header that holds it instead.
const KEY_HEADER: &str = "x-api-key";
/// The operation that takes the key from the header only.
const CREDITS: [&str; 3] = ["v1", "subaccounts", "credits"];

/// A call as the handlers of this surface take it.
type ContactsCall = Call<Arc<Params>>;

/// The surface.
#[derive(Debug)]
struct Contacts {
    core: Arc<Core>,
}

impl Surface for Contacts {
    type Input = Arc<Params>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn credentials_in_head(&self) -> bool {
        true
    }

    fn content_type(&self, _: &Head) -> &'static str {
        JSON
    }

    fn refuse(&self, _: &Head, refusal: &Refusal<'_>) -> Answer {
        wire::refuse(refusal)
    }

    async fn decode(&self, head: &Head, body: Bytes) -> Result<Arc<Params>> {
        Params::decode(head, &body).map(Arc::new)
    }

    async fn identify(&self, head: &Head, _: Option<&Arc<Params>>) -> Result<Caller> {
        match credential(head) {
            Some(key) => self.core.by_api_key(head.client, NAME, &key).await,
            None => Err(Error::unauthenticated()),
        }
    }

    fn canonical(&self, head: &Head, input: &Arc<Params>) -> Result<Option<Cow<'static, str>>> {
        // Two paths have two spellings.
        let path = head
            .path()
            .replace("custom-channel-message", "custom_channel_message");
        let path = path
            .replace("/send-", "/send_")
            .replace("/incoming-", "/incoming_");
        Ok(Some(format!("{path} {}", input.canonical()).into()))
    }
}

/// The API key of a request: of the header, else of the query.
fn credential(head: &Head) -> Option<Cow<'_, str>> {
    if let Some(key) = head.header(KEY_HEADER) {
        return Some(key.into());
    }
    if head.segments == CREDITS {
        return None;
    }
    let query = pairs(head.query.as_bytes()).ok()?;
    let mut keys = query.into_iter().filter(|(name, _)| name == KEY);
    // Of several the last one counts, as of every parameter.
    let key = keys.next_back().map(|(_, key)| key);
    key.filter(|key| !key.trim().is_empty()).map(Cow::Owned)
}

/// The surface at its mount.
pub fn mount(core: &Arc<Core>) -> Mount {
    let surface = Arc::new(Contacts { core: core.clone() });
    let gate = Gate::new(core.clone(), surface.clone());
    let table: [(&str, MethodRouter); 13] = [
        ("contacts", get(people::look_up).post(people::create)),
        (
            "contacts/lists",
            post(lists::add_named).delete(lists::take_off),
        ),
        ("contacts/tags/{contact}", get(people::tags)),
        ("contacts/{contact}", get(people::show).put(people::update)),
        ("contacts/{contact}/messages", get(channels::messages)),
        ("lists/{list}/contacts", post(lists::add)),
        ("send_custom_channel_message", post(channels::send)),
        ("send-custom-channel-message", post(channels::send)),
        ("incoming_custom_channel_message", post(channels::receive)),
        ("incoming-custom-channel-message", post(channels::receive)),
        (
            "subaccounts",
            get(sub_accounts::show)
                .post(sub_accounts::create)
                .delete(sub_accounts::close),
        ),
        ("subaccounts/credits", post(sub_accounts::grant)),
        ("agencies/usage/export", get(usage::export)),
    ];
    let router = table
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(&format!("{PREFIX}/{path}"), gate.guard(methods))
        });
    Mount::new(&surface, &[PREFIX], router)
}
