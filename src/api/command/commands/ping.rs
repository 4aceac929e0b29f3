//! `ping` (`protocols/command-api.md` 4.18).

use super::{CommandCall, Failure};
use crate::api::command::encode;
use crate::api::front::Answer;
use crate::domain::zone;

// Every command is asynchronous, because the table's type says so.
#[allow(clippy::unused_async)]
pub async fn run(call: &CommandCall) -> Result<Answer, Failure> {
    let time = zone::local(call.core.db.clock().now());
    Ok(encode::success("Success", &[("server_time", &time)]))
}
