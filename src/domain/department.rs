//! Departments (`protocols/domain.md` 2.1): where conversations are worked on.
//!
//! Owns the record and the account's default one, which is made with the account. Does not know
//! how an operator names one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::account::{self, Account};
use super::sequence;
use crate::error::{Error, Result};
use crate::id::{AccountId, DepartmentId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "department";
/// Departments by reference: unique.
const BY_REFERENCE: &str = "department-ref";
/// The name of the one that every account has.
const DEFAULT_NAME: &str = "General";

/// A department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Integer id, shown nowhere.
    pub id: u64,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: DepartmentId,
    /// Name.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Integer ids of the users who work in it.
    pub agents: BTreeSet<u64>,
    /// Its conversations stay and show it.
    pub deleted: bool,
}

/// The department, deleted or not; one that a record names is there.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Department> {
    let found = tx.read(&keys::record(KIND, account, id)).await?;
    found.ok_or_else(|| {
        tracing::error!(%account, department = id, "a department that is in use has no record");
        Error::internal()
    })
}

/// The department with this reference, deleted or not.
pub async fn by_reference(
    tx: &Tx,
    account: AccountId,
    id: DepartmentId,
) -> Result<Option<Department>> {
    let key = keys::unique(BY_REFERENCE, account, &id.to_string());
    match tx.read(&key).await? {
        Some(id) => by_id(tx, account, id).await.map(Some),
        None => Ok(None),
    }
}

/// The account's default department. An account from before there were departments gets one.
pub async fn default_of(tx: &Tx, account: &Account) -> Result<Department> {
    // The caller's record may be older than this transaction.
    let current = account::by_id(tx, account.id).await?;
    if let Some(id) = current.default_department {
        return by_id(tx, account.id, id).await;
    }
    let fresh = create(tx, account.id, DEFAULT_NAME).await?;
    let account = Account {
        default_department: Some(fresh.id),
        ..current
    };
    account::save(tx, &account)?;
    Ok(fresh)
}

/// The default department of an account that is just being made.
pub(super) async fn first(tx: &Tx, account: AccountId) -> Result<Department> {
    create(tx, account, DEFAULT_NAME).await
}

async fn create(tx: &Tx, account: AccountId, name: &str) -> Result<Department> {
    let department = Department {
        id: sequence::next(tx, account, KIND).await?,
        reference: fresh_reference(tx, account).await?,
        name: name.to_owned(),
        description: String::new(),
        agents: BTreeSet::new(),
        deleted: false,
    };
    let reference = department.reference.to_string();
    let by_reference = keys::unique(BY_REFERENCE, account, &reference);
    tx.put(by_reference, &department.id)?;
    tx.put(keys::record(KIND, account, department.id), &department)?;
    Ok(department)
}

async fn fresh_reference(tx: &Tx, account: AccountId) -> Result<DepartmentId> {
    loop {
        let reference = DepartmentId::random(tx.entropy());
        let key = keys::unique(BY_REFERENCE, account, &reference.to_string());
        if tx.get(&key).await?.is_none() {
            return Ok(reference);
        }
    }
}
