//! Call 2: what runs here.

use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::value::Value;
use crate::domain::release;

/// `GET application/status`.
pub async fn status(call: &HelpdeskCall) -> Outcome {
    let installed = call.account.created_at;
    let current = release::current(&call.view()).await?;
    let updated = current.map_or(installed, |release| release.since);
    call.reply(&Value::members([
        (
            "liveagentversion",
            call.core().settings.helpdesk_version.as_str().into(),
        ),
        ("gpfversion", release::VERSION.into()),
        ("dateinstalled", call.local(installed)),
        ("datelatestupdate", call.local(updated)),
    ]))
}
