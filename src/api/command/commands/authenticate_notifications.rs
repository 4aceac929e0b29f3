//! `authenticate_notifications` (`protocols/command-api.md` 4.1): opens the caller's endpoints.

use super::{CommandCall, Failure, Findings};
use crate::api::command::encode;
use crate::api::front::Answer;
use crate::auth::proof::key_digest;
use crate::domain::authentication;
use crate::error::Error;
use crate::id::EndpointId;

pub async fn run(call: &CommandCall) -> Result<Answer, Failure> {
    let Some(login) = call.caller.login.as_deref() else {
        return Err(Error::forbidden("Permission denied").into());
    };
    let mut findings = Findings::default();
    let endpoint = findings.text(call, "endpoint_id");
    let key = findings.text(call, "key");
    findings.none()?;
    let named = match endpoint {
        None => None,
        Some(text) => {
            let id: Result<EndpointId, _> = text.parse();
            Some(id.map_err(|_| Error::not_found("Record does not exist"))?)
        }
    };
    let key = key.map(|key| key_digest(&key));
    let (account, key) = (call.caller.account, key.as_deref());
    // Stored even at a disk limit: what opens an endpoint lets its backlog drain.
    let answer = call
        .commit_order(|tx| async move {
            let opened = authentication::confirm(&tx, account, login, named, key).await?;
            Ok(encode::success(
                "Success",
                &[("endpoints", &opened.to_string())],
            ))
        })
        .await?;
    Ok(answer)
}
