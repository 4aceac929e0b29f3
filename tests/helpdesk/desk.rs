//! A world with a helpdesk, and calls whose answers are read in JSON and XML alike.

use hookrelay::clock::Millis;
use hookrelay::domain::user::{Changes, User};
use serde_json::{Map, Value, json};

use crate::people;
use crate::world::{KEY, Reply, World};

/// Names of types, in their order.
pub fn types(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

/// A helpdesk with the agent Alice Stone, which is asked in one format.
pub struct Desk {
    pub world: World,
    pub alice: User,
    is_xml: bool,
}

/// One helpdesk that is asked in JSON, and one that is asked in XML.
pub async fn both() -> [Desk; 2] {
    [
        Desk::open().await,
        Desk {
            is_xml: true,
            ..Desk::open().await
        },
    ]
}

impl Desk {
    pub async fn open() -> Self {
        let world = people::world().await;
        let changes = Changes {
            gender: Some("F".to_owned()),
            ..Changes::default()
        };
        let alice = people::add(&world, "alice", "Agent", changes).await;
        Self {
            world,
            alice,
            is_xml: false,
        }
    }

    /// Lets time pass.
    pub fn later(&self, by: Millis) {
        let clock = &self.world.clock;
        clock.set(clock.now().after(by));
    }

    /// A call with the key: parameters of GET and DELETE in the query, of others in the body.
    pub async fn call(&self, method: &str, path: &str, params: &str) -> Reply {
        let key = [("apikey", KEY)];
        match method {
            "GET" | "DELETE" => {
                let path = format!("/api/{path}?{params}");
                self.world.send(method, &path, &key, "").await
            }
            _ => {
                let path = format!("/api/{path}");
                self.world.send(method, &path, &key, params).await
            }
        }
    }

    /// A call in the desk's own format: status and what `response` says, by [`flat`].
    pub async fn ask(&self, method: &str, path: &str, params: &str) -> (u16, Value) {
        let suffix = if self.is_xml { ".xml" } else { "" };
        let reply = self.call(method, &format!("{path}{suffix}"), params).await;
        let kind = reply.header("content-type").unwrap();
        assert_eq!(
            kind.starts_with("application/xml"),
            self.is_xml,
            "{}",
            reply.body
        );
        let value = if self.is_xml {
            of_xml(&reply.body)
        } else {
            reply.json()["response"].clone()
        };
        (reply.status, flat(&value))
    }

    /// What a call says that must succeed.
    pub async fn does(&self, method: &str, path: &str, params: &str) -> Value {
        let (status, value) = self.ask(method, path, params).await;
        assert_eq!(status, 200, "{method} {path} {params} {value}");
        value
    }

    /// A change that answers OK and nothing else; gives what it has told.
    pub async fn changes(&self, method: &str, path: &str, params: &str) -> Vec<(String, Value)> {
        let before = self.world.logged().await;
        let value = self.does(method, path, params).await;
        assert_eq!(
            value,
            json!({"status": "OK", "statuscode": "0"}),
            "{method} {path}"
        );
        self.told(before).await
    }

    /// What a call that fails says; it must change nothing.
    pub async fn refuses(&self, method: &str, path: &str, params: &str) -> (u16, String) {
        let before = self.world.logged().await;
        let (status, value) = self.ask(method, path, params).await;
        assert_eq!(value["status"], "ERROR", "{method} {path} {params} {value}");
        assert_eq!(value["statuscode"], status.to_string());
        assert_eq!(
            self.world.logged().await,
            before,
            "{method} {path} {params}"
        );
        (status, value["errormessage"].as_str().unwrap().to_owned())
    }

    /// Types and data of the messages behind the first `before`.
    pub async fn told(&self, before: u64) -> Vec<(String, Value)> {
        let all = self.world.appended(before).await.into_iter();
        all.map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
            .collect()
    }

    /// The reference of the only live department.
    pub async fn general(&self) -> String {
        let departments = self.does("GET", "departments", "").await;
        departments["departments"][0]["departmentid"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Jane Smith, by her reference.
    pub async fn jane(&self) -> String {
        let params = "email=jane%40example.com&name=Jane+Smith&phone=%2B15551234567";
        let jane = self.does("POST", "customers", params).await;
        jane["contactid"].as_str().unwrap().to_owned()
    }

    /// A conversation with Jane that Alice began: its reference.
    pub async fn ticket(&self, more: &str) -> String {
        let department = self.general().await;
        let params = format!(
            "message=this+is+test+ticket&useridentifier=alice%40agent.example&department={department}\
             &subject=Test+ticket&recipient=jane%40example.com&recipient_name=Jane+Smith{more}"
        );
        let begun = self.does("POST", "conversations", &params).await;
        begun["conversationid"].as_str().unwrap().to_owned()
    }

    /// A reading call in JSON, which says the same in XML.
    pub async fn read(&self, path: &str, params: &str) -> Value {
        let reply = self.call("GET", path, params).await;
        let xml = self.call("GET", &format!("{path}.xml"), params).await;
        same(&reply, &xml);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["response"].clone()
    }

    /// What a call fails with, the same in JSON and XML.
    pub async fn fails(&self, method: &str, path: &str, params: &str) -> (u16, String) {
        let reply = self.call(method, path, params).await;
        let xml = self.call(method, &format!("{path}.xml"), params).await;
        same(&reply, &xml);
        told(&reply)
    }
}

/// Status and text of an error.
pub fn told(reply: &Reply) -> (u16, String) {
    let response = &reply.json()["response"];
    assert_eq!(response["status"], "ERROR", "{}", reply.body);
    assert_eq!(response["statuscode"], reply.status, "{}", reply.body);
    let text = response["errormessage"].as_str().unwrap();
    (reply.status, text.to_owned())
}

/// An answer in JSON and one in XML say the same.
pub fn same(json: &Reply, xml: &Reply) {
    assert_eq!(json.status, xml.status, "{} {}", json.body, xml.body);
    let types = [json, xml].map(|reply| reply.header("content-type").unwrap());
    assert_eq!(types[0], "application/json; charset=utf-8", "{}", json.body);
    assert_eq!(types[1], "application/xml; charset=utf-8", "{}", xml.body);
    let json = json.json()["response"].clone();
    assert_eq!(flat(&json), flat(&of_xml(&xml.body)), "{json}");
}

/// A document as the JSON that it says: elements without a difference between a text, an empty
/// list and an empty object.
pub fn of_xml(body: &str) -> Value {
    let begins = "<?xml version='1.0' encoding='utf-8'?>\n<response>\n";
    assert!(
        body.starts_with(begins) && body.ends_with("</response>\n"),
        "{body}"
    );
    let document =
        roxmltree::Document::parse(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    element(document.root_element())
}

fn element(node: roxmltree::Node<'_, '_>) -> Value {
    let children: Vec<_> = node
        .children()
        .filter(roxmltree::Node::is_element)
        .collect();
    if children.is_empty() {
        return Value::from(node.text().unwrap_or_default());
    }
    let names: std::collections::BTreeSet<&str> = children
        .iter()
        .map(|child| child.tag_name().name())
        .collect();
    if names.len() < children.len() || is_row(node, children[0]) {
        return children.into_iter().map(element).collect();
    }
    let members = children.into_iter();
    let members: Map<String, Value> = members
        .map(|child| (child.tag_name().name().to_owned(), element(child)))
        .collect();
    Value::Object(members)
}

/// Whether an only child is a row: lists are named in the plural.
fn is_row(list: roxmltree::Node<'_, '_>, row: roxmltree::Node<'_, '_>) -> bool {
    let (list, row) = (list.tag_name().name(), row.tag_name().name());
    let known = [
        ("entries", "entry"),
        ("performance", "row"),
        ("availability", "day"),
        ("agentsavailability", "agent"),
        ("slacompliances", "slacompliance"),
        ("suggestioncategories", "suggestioncategory"),
        ("chatsOverview", "overview"),
        ("callsOverview", "overview"),
        ("agentsOnlineStates", "agentOnlineState"),
        ("departmentsOnlineStates", "departmentOnlineState"),
    ];
    known.contains(&(list, row)) || list == format!("{row}s")
}

/// A value with the codes as texts and empty lists as the text that XML cannot tell them from.
pub fn flat(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::Array(rows) if rows.is_empty() => "".into(),
        Value::Array(rows) => rows.iter().map(flat).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), flat(value)))
                    .collect(),
            )
        }
        Value::String(text) => text.chars().map(carried).collect::<String>().into(),
        other => other.clone(),
    }
}

/// What XML carries of a character.
fn carried(character: char) -> char {
    let forbidden = character < ' ' && !"\t\n\r".contains(character)
        || matches!(character, '\u{fffe}' | '\u{ffff}');
    if forbidden { '\u{fffd}' } else { character }
}
