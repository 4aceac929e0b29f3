//! `authenticate_notifications` (`protocols/command-api.md` 4.1): opens the caller's endpoints.

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::auth::proof::key_digest;
use crate::domain::authentication;
use crate::error::Error;
use crate::id::EndpointId;

pub async fn run(call: &CommandCall) -> Outcome {
    let Some(login) = call.caller().login.as_deref() else {
        return Err(Error::forbidden("Permission denied").into());
    };
    let mut form = call.form();
    let endpoint = form.typed("endpoint_id", |text| Some(text.to_owned()));
    let key = form.typed("key", |text| Some(text.to_owned()));
    form.finish()?;
    let named = match endpoint {
        None => None,
        Some(text) => {
            let id: Result<EndpointId, _> = text.parse();
            Some(id.map_err(|_| Error::not_found("Record does not exist"))?)
        }
    };
    let key = key.map(|key| key_digest(&key));
    let (account, key) = (call.account.id, key.as_deref());
    // Stored even at a disk limit: what opens an endpoint lets its backlog drain.
    call.commit_order(|tx| async move {
        let opened = authentication::confirm(&tx, account, login, named, key).await?;
        Ok(Reply::new("Success").integer("endpoints", opened.into()))
    })
    .await
}
