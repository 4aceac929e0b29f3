//! What an answer says, apart from how it is written.
//!
//! Owns the one model that both writers write, so that they cannot say different things. Does not
//! know JSON or XML.

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar; absent ones are empty.
    Text(String),
    /// A `statuscode`: the only number.
    Code(u16),
    /// A list; in XML each element has this name.
    Rows(&'static str, Vec<Value>),
    /// Members by name, in their order.
    Members(Vec<(&'static str, Value)>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.unwrap_or_default())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.unwrap_or_default().into()
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        if truth { "Y" } else { "N" }.into()
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Text(number.to_string())
    }
}

impl Value {
    /// Members by name, in their order.
    pub fn members(members: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self::Members(members.into_iter().collect())
    }

    /// An answer that is one list: `name` around an element `child` for each row.
    pub fn list(name: &'static str, child: &'static str, rows: Vec<Value>) -> Self {
        Self::members([(name, Self::Rows(child, rows))])
    }

    /// The answer to a change.
    pub fn ok() -> Self {
        Self::members([("status", "OK".into()), ("statuscode", Self::Code(0))])
    }

    /// The answer to a change, and more.
    #[must_use]
    pub fn ok_with(more: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let ok = [("status", "OK".into()), ("statuscode", Self::Code(0))];
        Self::members(ok.into_iter().chain(more))
    }
}
