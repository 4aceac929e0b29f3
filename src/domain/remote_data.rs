//! Records of a remote site, handed to the account's endpoints and kept nowhere
//! (`protocols/notifications.md` 4.6).
//!
//! Owns the notification. Does not know which command brought the records.

use serde::Serialize;
use serde_json::value::RawValue;

use super::event;
use crate::error::Result;
use crate::id::{AccountId, MessageId};
use crate::store::Tx;

/// One record: its data, or that it is gone.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Its key at the remote site.
    pub external_id: String,
    /// A JSON object, as it was given.
    pub data: Option<Box<RawValue>>,
    /// It is gone there.
    pub deleted: bool,
}

/// Appends `remote_data_changed`.
pub async fn changed(
    tx: &Tx,
    account: AccountId,
    dataset: &str,
    records: &[Record],
) -> Result<MessageId> {
    #[derive(Serialize)]
    struct Data<'a> {
        dataset: &'a str,
        records: &'a [Record],
    }
    event::emit(
        tx,
        account,
        "remote_data_changed",
        &Data { dataset, records },
    )
    .await
}
