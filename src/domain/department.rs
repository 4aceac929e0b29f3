//! Departments (`protocols/domain.md` 2.1): where conversations are worked on.
//!
//! Owns the record and the account's default one, which is made with the account. Only the operator
//! makes others. Does not know how one is shown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::account::{self, Account};
use super::{sequence, user, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, DepartmentId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "department";
/// Departments by reference: unique.
const BY_REFERENCE: &str = "department-ref";
/// The name of the one that every account has.
const DEFAULT_NAME: &str = "General";
/// Departments of an account, deleted ones too.
const MAX: usize = 1000;
/// Characters of a name.
pub const MAX_NAME: usize = 255;

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

/// Every department of the account, deleted ones too, by name.
pub async fn all(tx: &Tx, account: AccountId) -> Result<Vec<Department>> {
    let found = tx.read_range(&keys::records(KIND, account), MAX).await?;
    let mut all: Vec<Department> = found.into_iter().map(|(_, found)| found).collect();
    all.sort_by_cached_key(|department| (words::fold(&department.name), department.id));
    Ok(all)
}

/// New values; none = as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Unique among departments that are not deleted.
    pub name: Option<String>,
    /// May be empty.
    pub description: Option<String>,
    /// All of them: integer ids of agents.
    pub agents: Option<BTreeSet<u64>>,
}

/// Adds a department for the operator.
pub async fn add(tx: &Tx, account: AccountId, new: &Changes) -> Result<Department> {
    if all(tx, account).await?.len() >= MAX {
        return Err(Error::conflict("The account has 1000 departments"));
    }
    let name = new.name.as_deref().unwrap_or_default();
    is_free(tx, account, name).await?;
    let fresh = create(tx, account, name).await?;
    update(tx, account, &fresh, new).await
}

/// Changes a department.
pub async fn update(
    tx: &Tx,
    account: AccountId,
    before: &Department,
    new: &Changes,
) -> Result<Department> {
    let mut after = before.clone();
    if let Some(name) = &new.name {
        if words::fold(name) != words::fold(&before.name) {
            is_free(tx, account, name).await?;
        }
        after.name.clone_from(name);
    }
    if let Some(description) = &new.description {
        after.description.clone_from(description);
    }
    if let Some(agents) = &new.agents {
        for id in agents {
            let known = user::by_id(tx, account, *id).await?;
            if known.is_none_or(|user| user.role().is_none()) {
                return Err(Error::invalid("agents", "must be agents of the account"));
            }
        }
        after.agents.clone_from(agents);
    }
    if after != *before {
        tx.put(keys::record(KIND, account, after.id), &after)?;
    }
    Ok(after)
}

/// Deletes a department, which is only marked: its conversations stay and show it. The account's
/// default department must stay.
pub async fn delete(tx: &Tx, account: &Account, department: &Department) -> Result<Department> {
    if default_of(tx, account).await?.id == department.id {
        let message = "The default department cannot be removed";
        return Err(Error::conflict(message));
    }
    let after = Department {
        deleted: true,
        ..department.clone()
    };
    tx.put(keys::record(KIND, account.id, after.id), &after)?;
    Ok(after)
}

async fn is_free(tx: &Tx, account: AccountId, name: &str) -> Result<()> {
    let name = words::fold(name);
    let taken = |known: &Department| !known.deleted && words::fold(&known.name) == name;
    if all(tx, account).await?.iter().any(taken) {
        return Err(Error::conflict(
            "There is a department of this name already",
        ));
    }
    Ok(())
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
