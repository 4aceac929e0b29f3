//! The calls of the surface: one function each, in a file for what they are about.
//!
//! Owns the table from method and path to the function. A function reads its parameters and writes
//! its answer; effects are the domain's.

mod agents;
mod application;
mod colored;
mod conversations;
mod customers;
mod departments;
mod knowledge;
mod messages;
mod moves;
mod overview;
mod people;

use std::future::Future;
use std::pin::Pin;

use hyper::Method;

use super::call::HelpdeskCall;
use crate::api::front::Answer;
use crate::error::Result;

/// What a call comes to.
type Outcome = Result<Answer>;
/// The same, later.
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
/// What a row does.
pub type Run = for<'a> fn(&'a HelpdeskCall) -> Running<'a>;

/// An open segment of a path.
const OPEN: &str = "*";

/// A row of the table.
struct Row {
    method: Method,
    /// Segments between slashes.
    path: &'static str,
    run: Run,
}

macro_rules! row {
    ($method:ident $path:literal => $run:path) => {
        Row {
            method: Method::$method,
            path: $path,
            run: |call| Box::pin($run(call)),
        }
    };
}

/// Method and path, and what it does (`protocols/helpdesk-api.md`).
const TABLE: &[Row] = &[
    row!(GET "agents/*" => agents::get),
    row!(GET "application/status" => application::status),
    row!(PUT "conversations/*/attendants" => moves::transfer),
    row!(DELETE "conversations/*" => moves::delete),
    row!(DELETE "conversations/*/fields" => conversations::drop_fields),
    row!(POST "conversations/*/fields" => conversations::add_fields),
    row!(GET "conversations" => conversations::list),
    row!(GET "conversations/*" => conversations::get),
    row!(GET "conversations/*/messages" => messages::list),
    row!(POST "conversations/*/messages" => messages::add),
    row!(POST "conversations" => messages::begin),
    row!(PUT "conversations/*/status" => moves::set_status),
    row!(DELETE "conversations/*/tags" => conversations::drop_tag),
    row!(GET "conversations/*/tags" => conversations::tags),
    row!(POST "conversations/*/tags" => conversations::add_tag),
    row!(DELETE "customers/*/fields" => customers::drop_fields),
    row!(POST "customers/*/fields" => customers::add_fields),
    row!(GET "customers" => customers::list),
    row!(GET "customers/*" => customers::get),
    row!(DELETE "customers/*/groups" => customers::leave),
    row!(GET "customers/*/groups" => customers::groups),
    row!(POST "customers/*/groups" => customers::join),
    row!(POST "customers" => customers::register),
    row!(DELETE "customersgroups/*" => colored::remove_group),
    row!(GET "customersgroups/*" => colored::get_group),
    row!(GET "customersgroups" => colored::groups),
    row!(POST "customersgroups" => colored::add_group),
    row!(PUT "customersgroups/*" => colored::set_group),
    row!(GET "departments/*/agents" => departments::agents),
    row!(GET "departments" => departments::list),
    row!(GET "departments/*" => departments::get),
    row!(GET "knowledgebase/entries" => knowledge::entries),
    row!(GET "knowledgebase/search" => knowledge::search),
    row!(GET "onlinestatus/agents" => departments::agents_online),
    row!(GET "onlinestatus/departments" => departments::departments_online),
    row!(GET "suggestioncategories" => knowledge::categories),
    row!(POST "suggestions" => knowledge::suggest),
    row!(DELETE "tags/*" => colored::remove_tag),
    row!(GET "tags" => colored::tags),
    row!(GET "tags/*" => colored::get_tag),
    row!(POST "tags" => colored::add_tag),
    row!(PUT "tags/*" => colored::set_tag),
    row!(GET "chats/overview" => overview::chats),
    row!(GET "calls/overview" => overview::calls),
];

/// What the table has for a method and a path.
pub enum Found {
    /// Nothing for the path.
    Nothing,
    /// Only other methods, with commas between them.
    Methods(String),
    /// A call, with the open segments of its path.
    Call(Run, Vec<String>),
}

/// Looks for a call.
pub fn find(method: &Method, segments: &[String]) -> Found {
    let rows: Vec<&Row> = TABLE
        .iter()
        .filter(|row| fits(row.path, segments))
        .collect();
    if let Some(row) = rows.iter().find(|row| row.method == *method) {
        let open = row.path.split('/').zip(segments);
        let parts = open.filter(|(known, _)| *known == OPEN);
        return Found::Call(row.run, parts.map(|(_, part)| part.clone()).collect());
    }
    if rows.is_empty() {
        return Found::Nothing;
    }
    let mut methods: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    methods.sort_unstable();
    Found::Methods(methods.join(", "))
}

fn fits(path: &str, segments: &[String]) -> bool {
    let known: Vec<&str> = path.split('/').collect();
    let is_same = |(known, given): (&&str, &String)| *known == OPEN || known == given;
    known.len() == segments.len() && known.iter().zip(segments).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_rows_are_the_same_and_none_hides_another() {
        let rows: BTreeSet<(&str, &str)> = TABLE
            .iter()
            .map(|row| (row.method.as_str(), row.path))
            .collect();
        assert_eq!(rows.len(), TABLE.len());
        for row in TABLE {
            let segments: Vec<String> = row.path.split('/').map(str::to_owned).collect();
            let same = TABLE.iter().filter(|other| other.method == row.method);
            let fitting = same.filter(|other| fits(other.path, &segments)).count();
            assert_eq!(fitting, 1, "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn paths_and_methods() {
        let find = |method: &str, path: &str| {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            match find(&method.parse().unwrap(), &segments) {
                Found::Nothing => "-".to_owned(),
                Found::Methods(methods) => methods,
                Found::Call(_, parts) => format!("{parts:?}"),
            }
        };
        assert_eq!(find("GET", "agents/a"), r#"["a"]"#);
        assert_eq!(find("GET", "application/status"), "[]");
        assert_eq!(find("POST", "application/status"), "GET");
        for nothing in ["agents", "agents/a/b", "Agents/a", "", "companies"] {
            assert_eq!(find("GET", nothing), "-", "{nothing}");
        }
    }
}
