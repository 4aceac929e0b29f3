//! What each command line asks of the admin API.

use clap::Parser as _;

use super::super::args::{Cli, Command};
use super::*;

fn asked(line: &str) -> String {
    let words = std::iter::once("hookrelay").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).unwrap();
    let (call, _) = match &cli.command {
        Command::Account(command) => account(command),
        Command::Key(command) => key(command),
        Command::User(command) => user(command),
        Command::Endpoint(command) => endpoint(command),
        Command::Send(args) => send(args, &data(args.data.as_deref().unwrap_or("{}"))),
        Command::Queue => queue(),
        Command::Status => status(),
        other => panic!("{other:?} asks nothing of the daemon"),
    };
    let body = call.body.map(|body| format!(" {body}")).unwrap_or_default();
    format!("{} {}{body}", call.method, call.path)
}

#[test]
fn every_command_about_users_asks_what_the_admin_api_offers() {
    for (line, request) in [
        (
            "user add al --account s --email a@b.example --first-name A --last-name B",
            r#"POST /admin/v1/accounts/s/users {"account_type":"Owner","email":"a@b.example","first_name":"A","last_name":"B","username":"al"}"#,
        ),
        (
            "user list --account s --after 1001",
            "GET /admin/v1/accounts/s/users?after=1001",
        ),
        (
            "user set a@b.example --account s --password P --active false",
            r#"PATCH /admin/v1/accounts/s/users/a%40b.example {"active":false,"password":"P"}"#,
        ),
        (
            "user logout alice --account s",
            "DELETE /admin/v1/accounts/s/users/alice/sessions",
        ),
    ] {
        assert_eq!(asked(line), request, "{line}");
    }
}

#[test]
fn every_command_asks_what_the_admin_api_offers() {
    for (line, request) in [
        (
            "account add shop",
            r#"POST /admin/v1/accounts {"name":"shop"}"#,
        ),
        (
            "account add shop --login a --password b --comm-key c --api-key d",
            r#"POST /admin/v1/accounts {"ai_login_id":"a","ai_login_password":"b","api_key":"d","comm_key":"c","name":"shop"}"#,
        ),
        ("account list", "GET /admin/v1/accounts"),
        ("account show a/b", "GET /admin/v1/accounts/a%2Fb"),
        ("key add -a shop", "POST /admin/v1/accounts/shop/keys {}"),
        (
            "key add -a shop --name web",
            r#"POST /admin/v1/accounts/shop/keys {"name":"web"}"#,
        ),
        (
            "key add -a shop --surface flex --surface leads --per-minute 0",
            r#"POST /admin/v1/accounts/shop/keys {"per_minute":0,"surfaces":["flex","leads"]}"#,
        ),
        (
            "key rotate k/1 -a shop",
            "POST /admin/v1/accounts/shop/keys/k%2F1/rotate",
        ),
        (
            "account set s --agency a --email e --credits 5 --recharge-amount 1",
            r#"PATCH /admin/v1/accounts/s {"agency":"a","auto_recharge":{"amount":1},"credits":5,"email":"e"}"#,
        ),
        ("key list -a shop", "GET /admin/v1/accounts/shop/keys"),
        (
            "key revoke -a shop k1",
            "DELETE /admin/v1/accounts/shop/keys/k1",
        ),
        (
            "endpoint add --account shop --url https://x.example/",
            r#"POST /admin/v1/accounts/shop/endpoints {"url":"https://x.example/"}"#,
        ),
        (
            "endpoint list -a shop",
            "GET /admin/v1/accounts/shop/endpoints",
        ),
        (
            "endpoint show e1 -a shop",
            "GET /admin/v1/accounts/shop/endpoints/e1",
        ),
        (
            "endpoint set e1 -a shop --enabled true",
            r#"PATCH /admin/v1/accounts/shop/endpoints/e1 {"enabled":true}"#,
        ),
        (
            "endpoint set e1 -a shop --clear-headers --default-schedule",
            r#"PATCH /admin/v1/accounts/shop/endpoints/e1 {"headers":{},"schedule":{}}"#,
        ),
        (
            "endpoint verify e1 -a shop",
            "POST /admin/v1/accounts/shop/endpoints/e1/verify",
        ),
        (
            "endpoint test e1 -a shop",
            "POST /admin/v1/accounts/shop/endpoints/e1/test",
        ),
        (
            "endpoint hold e1 -a shop",
            "POST /admin/v1/accounts/shop/endpoints/e1/hold",
        ),
        (
            "endpoint release e1 -a shop",
            "POST /admin/v1/accounts/shop/endpoints/e1/release",
        ),
        (
            "endpoint remove e1 -a shop",
            "DELETE /admin/v1/accounts/shop/endpoints/e1",
        ),
        (
            "send generic Hello -a shop --endpoint e1 --idempotency-key k",
            r#"POST /admin/v1/accounts/shop/messages {"type":"generic","data":"Hello","endpoints":["e1"],"idempotency_key":"k"}"#,
        ),
        (
            "send t -a shop",
            r#"POST /admin/v1/accounts/shop/messages {"type":"t","data":{}}"#,
        ),
        ("queue", "GET /admin/v1/queue"),
        ("status", "GET /admin/v1/status"),
    ] {
        assert_eq!(asked(line), request, "{line}");
    }
}

#[test]
fn every_endpoint_setting_has_its_flag() {
    let line = "endpoint add -a s --url u --description d --login l --types a,b* --protocol standard \
                --send-key false --send-messages true --ignore-confirmation true --strict-fields true \
                --ordering strict --max-messages 5 --max-bytes 1KiB --auth-lifetime 12h --header X:1 \
                --schedule initial=1s --schedule multiplier=1.5 --enabled false";
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = asked(&line).split_once('{').unwrap().1.to_owned();
    let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
    assert_eq!(
        body,
        json!({
            "url": "u", "description": "d", "login": "l", "types": ["a", "b*"],
            "protocol": "standard", "send_key": false, "send_messages": true,
            "ignore_confirmation": true, "strict_fields": true, "ordering": "strict",
            "max_messages": 5, "max_bytes": 1024, "auth_lifetime": 43200,
            "headers": {"X": "1"}, "schedule": {"initial": 1, "multiplier": 1.5},
            "enabled": false
        })
    );
}

#[test]
fn a_setting_is_not_given_and_taken_away_at_once() {
    for line in [
        "--header X:1 --clear-headers",
        "--schedule initial=1s --default-schedule",
    ] {
        let line = format!("hookrelay endpoint set e1 -a shop {line}");
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn data_is_passed_on_byte_by_byte_or_as_text() {
    for (text, json) in [
        (r#"{"b":1.0, "a":[1e2]}"#, r#"{"b":1.0, "a":[1e2]}"#),
        ("[1]", "[1]"),
        ("\"x\"", "\"x\""),
        ("Hello World", "\"Hello World\""),
        ("42", "\"42\""),
        ("null", "\"null\""),
        ("{broken", "\"{broken\""),
        ("two\nlines\n", "\"two\\nlines\""),
        ("", "\"\""),
    ] {
        assert_eq!(data(text).get(), json, "{text}");
    }
}
