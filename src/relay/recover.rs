//! The start: everything the engine must know before its first decision.
//!
//! Owns the reading of endpoints, cursors and open batches. Reads no messages: what arrived since
//! the cursors were stored is read by the tail reader afterwards. Does not know what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Input, Ranges, schedule};
use super::tail::Audience;
use super::{facts, reader, records};
use crate::domain::acknowledgement::Acknowledge;
use crate::domain::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::id::{AccountId, JobId, Seq};
use crate::store::tx::decode;
use crate::store::{Database, Key, KeyRange, Tx, keys};

/// Endpoints read in one scan.
const PAGE: usize = 1000;
/// Waiting acknowledgements of one endpoint read in one scan.
const ORDERS: usize = 10_000;

/// What a start found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// To be given to the engine, in order.
    pub inputs: Vec<Input>,
    /// Who listens, by account.
    pub audiences: BTreeMap<AccountId, Audience>,
    /// The logs to read on, each from behind this sequence.
    pub seen: BTreeMap<AccountId, Seq>,
    /// Endpoints with acknowledgements that wait for the relay.
    pub orders: Vec<Arc<Endpoint>>,
}

/// Reads every endpoint with what is stored of it.
pub async fn recover(database: &Database, defaults: &schedule::Settings) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    let mut range: KeyRange = keys::all_endpoints();
    loop {
        let tx = database.view();
        let page = tx.scan(&range, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(recovered);
        };
        range = range.following(last);
        for (key, bytes) in page {
            let entered = match decode::<Endpoint>(&key, &bytes) {
                Ok(record) => enter(&tx, &mut recovered, record, defaults).await,
                Err(error) => Err(error),
            };
            match entered {
                Err(error) if error.kind == Kind::Internal => {
                    // Which record it is was logged where it was met. Its messages stay in the
                    // log, because nothing tells how far it had come.
                    tracing::error!(
                        record = %key,
                        "a damaged record: this endpoint is set aside until it is removed"
                    );
                }
                entered => entered?,
            }
        }
    }
}

async fn enter(
    tx: &Tx,
    recovered: &mut Recovered,
    record: Endpoint,
    defaults: &schedule::Settings,
) -> Result<()> {
    let account = record.account;
    if let std::collections::btree_map::Entry::Vacant(vacant) = recovered.seen.entry(account) {
        let seq = records::load_seen(tx, account).await?;
        vacant.insert(seq);
        recovered.inputs.push(Input::Seen { account, seq });
    }
    let stored = records::load(tx, account, record.id).await?;
    let counted = stored
        .cursor
        .as_ref()
        .map(|cursor| cursor.seen)
        .unwrap_or_default();
    let record = Arc::new(record);
    if !tx
        .scan(&keys::orders(account, record.id), 1)
        .await?
        .is_empty()
    {
        recovered.orders.push(record.clone());
    }
    let spec = facts::spec(&record, defaults);
    recovered
        .inputs
        .push(Input::Load(Box::new(spec), Box::new(stored)));
    recovered
        .audiences
        .entry(account)
        .or_default()
        .put(record, counted);
    Ok(())
}

/// The acknowledgements of an endpoint that the relay has not taken in yet, reduced to what the
/// log holds for it.
pub async fn acknowledgements(database: &Database, endpoint: &Endpoint) -> Result<Vec<Input>> {
    let tx = database.view();
    let found: Vec<(Key, Acknowledge)> = tx
        .read_range(&keys::orders(endpoint.account, endpoint.id), ORDERS)
        .await?;
    let mut inputs = Vec::with_capacity(found.len());
    for (key, acknowledge) in found {
        let Ok(order) = key.last_part().parse::<JobId>() else {
            continue;
        };
        let named = Ranges::from_pairs(acknowledge.seqs);
        let messages = reader::load(&**database.store(), endpoint, &named)
            .await
            .map_err(|_| Error::unavailable("The log cannot be read now"))?;
        let admitted = messages.iter().filter(|message| endpoint.admits(message));
        let seqs = Ranges::of(admitted.map(|message| message.seq()));
        inputs.push(Input::Acknowledged {
            endpoint: endpoint.id,
            order,
            seqs,
        });
    }
    Ok(inputs)
}
