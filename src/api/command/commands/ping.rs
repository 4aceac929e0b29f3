//! `ping` (`protocols/command-api.md` 4.18).

use super::{CommandCall, Done, Outcome};
use crate::api::command::encode::Reply;

// Every command is asynchronous, because the table's type says so.
#[allow(clippy::unused_async)]
pub async fn run(call: &CommandCall) -> Outcome {
    call.form().finish()?;
    let now = call.core().db.clock().now();
    let time = call.account.settings.time_zone.local(now);
    Ok(Done::Reply(Reply::new("Success").text("server_time", time)))
}
