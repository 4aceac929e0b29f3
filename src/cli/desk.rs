//! From `department`, `agent`, `category` and `article` to the admin API's request.
//!
//! Owns that mapping as pure functions. Does no I/O.

use hyper::Method;
use serde_json::{Map, Value};

use super::admin::{Call, segment};
use super::args::account::OfAccount;
use super::args::desk::{
    AgentCommand, ArticleCommand, ArticleTexts, CategoryCommand, DepartmentCommand,
};
use super::calls::{Asking, Show, account_path};

fn asked(method: Method, path: String, members: Map<String, Value>, show: Show) -> Asking {
    let has_body = method == Method::POST || method == Method::PATCH;
    let body = has_body.then(|| Value::Object(members).to_string());
    (Call { method, path, body }, show)
}

/// The members that are given.
fn members(given: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Map<String, Value> {
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn text(text: Option<&String>) -> Option<Value> {
    text.map(|text| text.as_str().into())
}

fn below(of: &OfAccount, what: &str, named: Option<&str>) -> String {
    let all = format!("{}/{what}", account_path(&of.account));
    named.map_or_else(|| all.clone(), |named| format!("{all}/{}", segment(named)))
}

/// Agents; an empty text stands for none.
fn agents(given: Option<&Vec<String>>) -> Option<Value> {
    let named = given?.iter().filter(|agent| !agent.is_empty());
    Some(named.cloned().collect::<Vec<String>>().into())
}

/// `department …`
pub fn department(command: &DepartmentCommand) -> Asking {
    let path = |of, named| below(of, "departments", named);
    match command {
        DepartmentCommand::Add {
            of,
            name,
            description,
            agents: given,
        } => {
            let body = members([
                ("name", text(Some(name))),
                ("description", text(description.as_ref())),
                ("agents", agents(given.as_ref())),
            ]);
            asked(Method::POST, path(of, None), body, Show::Object)
        }
        DepartmentCommand::List { of } => {
            asked(Method::GET, path(of, None), Map::new(), Show::Departments)
        }
        DepartmentCommand::Set {
            of,
            department,
            changes,
        } => {
            let body = members([
                ("name", text(changes.name.as_ref())),
                ("description", text(changes.description.as_ref())),
                ("agents", agents(changes.agents.as_ref())),
            ]);
            asked(
                Method::PATCH,
                path(of, Some(department)),
                body,
                Show::Object,
            )
        }
        DepartmentCommand::Remove { of, department } => {
            let path = path(of, Some(department));
            asked(Method::DELETE, path, Map::new(), Show::Done("removed"))
        }
    }
}

/// `agent …`
pub fn agent(command: &AgentCommand) -> Asking {
    let path = |of, named| below(of, "users", named);
    match command {
        AgentCommand::Add {
            of,
            username,
            email,
            first_name,
            last_name,
            account_type,
            gender,
            online,
            password,
        } => {
            let body = members([
                ("username", text(Some(username))),
                ("email", text(Some(email))),
                ("first_name", text(Some(first_name))),
                ("last_name", text(Some(last_name))),
                ("account_type", text(Some(account_type))),
                ("gender", text(gender.as_ref())),
                ("online_status", text(online.as_ref())),
                ("password", text(password.as_ref())),
            ]);
            asked(Method::POST, path(of, None), body, Show::Object)
        }
        AgentCommand::List { of } => {
            let path = format!("{}?agents=true", path(of, None));
            asked(Method::GET, path, Map::new(), Show::Agents)
        }
        AgentCommand::Set { of, agent, changes } => {
            let body = members([
                ("online_status", text(changes.online.as_ref())),
                ("account_type", text(changes.account_type.as_ref())),
                ("gender", text(changes.gender.as_ref())),
                ("active", changes.active.map(Value::from)),
            ]);
            asked(Method::PATCH, path(of, Some(agent)), body, Show::Object)
        }
        AgentCommand::Remove { of, agent } => {
            let gone = [
                ("active", Some(false.into())),
                ("online_status", Some("F".into())),
            ];
            let path = path(of, Some(agent));
            asked(Method::PATCH, path, members(gone), Show::Done("removed"))
        }
    }
}

/// `category …`
pub fn category(command: &CategoryCommand) -> Asking {
    let path = |of, named| below(of, "categories", named);
    match command {
        CategoryCommand::Add {
            of,
            title,
            category,
        } => {
            let body = members([
                ("title", text(Some(title))),
                ("category", text(category.as_ref())),
            ]);
            asked(Method::POST, path(of, None), body, Show::Object)
        }
        CategoryCommand::List { of } => {
            asked(Method::GET, path(of, None), Map::new(), Show::Entries)
        }
        CategoryCommand::Set { of, entry, changes } => {
            let body = members([
                ("title", text(changes.title.as_ref())),
                ("category", text(changes.category.as_ref())),
            ]);
            asked(Method::PATCH, path(of, Some(entry)), body, Show::Object)
        }
        CategoryCommand::Remove { of, entry } => {
            let path = path(of, Some(entry));
            asked(Method::DELETE, path, Map::new(), Show::Done("removed"))
        }
    }
}

/// `article …`
pub fn article(command: &ArticleCommand) -> Asking {
    let path = |of, named| below(of, "articles", named);
    match command {
        ArticleCommand::Add { of, title, texts } => {
            let body = article_body(Some(title), texts);
            asked(Method::POST, path(of, None), body, Show::Object)
        }
        ArticleCommand::List { of, skip } => {
            let skip = skip.map(|skip| format!("?skip={skip}"));
            let path = format!("{}{}", path(of, None), skip.unwrap_or_default());
            asked(Method::GET, path, Map::new(), Show::Entries)
        }
        ArticleCommand::Set {
            of,
            entry,
            title,
            texts,
        } => {
            let body = article_body(title.as_ref(), texts);
            asked(Method::PATCH, path(of, Some(entry)), body, Show::Object)
        }
        ArticleCommand::Remove { of, entry } => {
            let path = path(of, Some(entry));
            asked(Method::DELETE, path, Map::new(), Show::Done("removed"))
        }
    }
}

fn article_body(title: Option<&String>, texts: &ArticleTexts) -> Map<String, Value> {
    members([
        ("title", text(title)),
        ("category", text(texts.category.as_ref())),
        ("content", text(texts.content.as_ref())),
        ("metadescription", text(texts.metadescription.as_ref())),
        ("keywords", text(texts.keywords.as_ref())),
        ("public", texts.public.map(Value::from)),
    ])
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    fn asked(line: &str) -> String {
        let words = std::iter::once("hookrelay").chain(line.split(' '));
        let (call, _) = match &Cli::try_parse_from(words).unwrap().command {
            Command::Department(command) => department(command),
            Command::Agent(command) => agent(command),
            Command::Category(command) => category(command),
            Command::Article(command) => article(command),
            other => panic!("{other:?} is about something else"),
        };
        let body = call.body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("{} {}{body}", call.method, call.path)
    }

    #[test]
    fn every_command_asks_what_the_admin_api_offers() {
        for (line, request) in [
            (
                "department add Sales -a s --description d --agent al --agent 1002",
                r#"POST /admin/v1/accounts/s/departments {"agents":["al","1002"],"description":"d","name":"Sales"}"#,
            ),
            (
                "department list -a s",
                "GET /admin/v1/accounts/s/departments",
            ),
            (
                "department set Sales -a s --agent=",
                r#"PATCH /admin/v1/accounts/s/departments/Sales {"agents":[]}"#,
            ),
            (
                "department remove a/b -a s",
                "DELETE /admin/v1/accounts/s/departments/a%2Fb",
            ),
            (
                "agent add al -a s --email e@x.example --first-name A --last-name B --online TM",
                r#"POST /admin/v1/accounts/s/users {"account_type":"Agent","email":"e@x.example","first_name":"A","last_name":"B","online_status":"TM","username":"al"}"#,
            ),
            (
                "agent list -a s",
                "GET /admin/v1/accounts/s/users?agents=true",
            ),
            (
                "agent set al -a s --online F",
                r#"PATCH /admin/v1/accounts/s/users/al {"online_status":"F"}"#,
            ),
            (
                "agent remove al -a s",
                r#"PATCH /admin/v1/accounts/s/users/al {"active":false,"online_status":"F"}"#,
            ),
            (
                "category add Help -a s --category All",
                r#"POST /admin/v1/accounts/s/categories {"category":"All","title":"Help"}"#,
            ),
            ("category list -a s", "GET /admin/v1/accounts/s/categories"),
            (
                "category set Help -a s --title FAQ",
                r#"PATCH /admin/v1/accounts/s/categories/Help {"title":"FAQ"}"#,
            ),
            (
                "category remove Help -a s",
                "DELETE /admin/v1/accounts/s/categories/Help",
            ),
            (
                "article add Hours -a s --category Help --content 9-17 --public false",
                r#"POST /admin/v1/accounts/s/articles {"category":"Help","content":"9-17","public":false,"title":"Hours"}"#,
            ),
            (
                "article list -a s --skip 5",
                "GET /admin/v1/accounts/s/articles?skip=5",
            ),
            (
                "article set e1 -a s --title T --keywords k",
                r#"PATCH /admin/v1/accounts/s/articles/e1 {"keywords":"k","title":"T"}"#,
            ),
            (
                "article remove e1 -a s",
                "DELETE /admin/v1/accounts/s/articles/e1",
            ),
        ] {
            assert_eq!(asked(line), request, "{line}");
        }
    }
}
