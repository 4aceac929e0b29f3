//! The same with the real binary, as an operator types it.

use serde_json::json;

use crate::daemon::{Place, done, serve};

/// What a command prints on its two streams, and its exit code.
fn typed(place: &Place, line: &str) -> (Option<i32>, String, String) {
    let mut command = place.command("hookrelay");
    let output = command.args(line.split(' ')).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out, err)
}

fn asked(place: &Place, line: &str) -> serde_json::Value {
    place.ask(&line.split(' ').collect::<Vec<_>>())
}

#[test]
fn the_operators_commands_do_what_they_say() {
    let place = Place::new();
    let (daemon, _) = serve(&place, &[]);
    asked(&place, "account add shop");
    let agency = asked(&place, "account add agency");
    asked(&place, "account set agency --is-agency true");
    let set = asked(
        &place,
        "account set shop --agency agency --email shop@agency.example --credits 500 \
         --auto-recharge true --recharge-threshold 50 --recharge-amount 500",
    );
    assert_eq!(set["agency"], agency["account"]);
    assert_eq!(set["credits"], 500);
    assert_eq!(set["auto_recharge"]["enabled"], true);
    let list = asked(&place, "list add VIP -a shop --bg-color #1abc9c");
    assert_eq!(list["bg_color"], "1ABC9C");
    asked(&place, "list set vip -a shop --name Best");
    let automation = asked(&place, "automation add Welcome -a shop --nodes 2");
    let id = &automation["automation"];
    asked(&place, &format!("automation set {id} -a shop --on false"));
    let (code, out, _) = typed(&place, "automation list -a shop");
    assert_eq!(code, Some(0));
    for word in ["AUTOMATION", "Welcome", "false"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (code, out, _) = typed(&place, "list list -a shop");
    assert_eq!(code, Some(0));
    assert!(out.contains("BACKGROUND") && out.contains("Best"), "{out}");
    let removed = (Some(0), "removed\n".to_owned(), String::new());
    assert_eq!(typed(&place, "list remove Best -a shop"), removed);
    let (_, out, _) = typed(&place, "list list -a shop");
    assert!(out.contains("hookrelay list add NAME"), "{out}");
    let gone = format!("automation remove {id} -a shop");
    assert_eq!(typed(&place, &gone), removed);
    let (_, out, _) = typed(&place, "automation list -a shop");
    assert!(out.contains("hookrelay automation add NAME"), "{out}");
    let key = asked(&place, "key add -a shop --surface flex --per-minute 9");
    assert_eq!(key["surfaces"], json!(["flex"]));
    assert_eq!(key["per_minute"], 9);
    let rotate = format!("key rotate {} -a shop", key["key"].as_str().unwrap());
    let rotated = asked(&place, &rotate);
    assert_eq!(rotated["key"], key["key"]);
    assert_ne!(rotated["api_key"], key["api_key"]);
    assert_eq!(daemon.stop(), Some(0));
    let mut verify = place.command("hookrelay");
    done(verify.args(["store", "verify"]));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let place = Place::new();
    let (daemon, _) = serve(&place, &[]);
    asked(&place, "account add shop");
    for (line, why) in [
        (
            "automation remove 4711 -a shop",
            "see hookrelay automation list",
        ),
        (
            "automation set 4711 -a shop --nodes 1",
            "see hookrelay automation list",
        ),
        ("list remove none -a shop", "see hookrelay list list"),
        ("list set none -a shop --name x", "see hookrelay list list"),
        (
            "list add x -a shop --color red",
            "six hex digits, such as 1ABC9C",
        ),
        ("key rotate x -a shop", "There is no such key"),
        (
            "account set shop --credits 5",
            "only a sub-account has credits",
        ),
        (
            "account set shop --agency shop --email a@b.example",
            "--is-agency true",
        ),
        (
            "key add -a shop --surface fax",
            "is not one of contacts, flex",
        ),
        ("list list -a none", "There is no such account"),
    ] {
        let (code, out, err) = typed(&place, line);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}");
        assert!(
            err.starts_with("error: ") && err.contains(why),
            "{line}: {err}"
        );
    }
    for line in [
        "automation set x -a shop --on true",
        "automation set 1001 -a shop",
        "list set VIP -a shop",
        "account set shop --agency agency",
        "contacts import -a shop",
    ] {
        assert_eq!(typed(&place, line).0, Some(2), "{line}");
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(typed(&place, "automation list -a shop").0, Some(3));
}
