//! Calls at the same instant: what must be there once is there once.

use std::collections::BTreeSet;

use hookrelay::domain::credit::AutoRecharge;
use tokio::net::TcpStream;

use crate::shop::{AGENCY_KEY, Agency, SUB_KEY, call, credits, logged, told, types, world};
use crate::world::{KEY, Reply, World, exchange, request};

/// The same or different calls, all at once.
async fn at_once(world: &World, key: &str, path: &str, bodies: &[String]) -> Vec<Reply> {
    let calls = bodies.iter().map(|body| {
        let bytes = request("POST", &format!("/v1/{path}"), &[("x-api-key", key)], body);
        let address = world.address;
        tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            exchange(stream, &bytes).await
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap());
    }
    replies
}

fn member(replies: &[Reply], name: &str) -> BTreeSet<String> {
    let texts = replies.iter().map(|reply| {
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        reply.json()[name].to_string()
    });
    texts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_contact_for_one_phone() {
    let world = world().await;
    let bodies: Vec<String> = (0..20)
        .map(|n| format!(r#"{{"phone":"+15551234567","firstName":"N{n}"}}"#))
        .collect();
    let replies = at_once(&world, KEY, "contacts", &bodies).await;
    assert_eq!(member(&replies, "id").len(), 1);
    assert_eq!(member(&replies, "firstName").len(), 1);
    let created = replies.iter().filter(|reply| reply.status == 201);
    assert_eq!(created.count(), 1);
    assert_eq!(types(&world.appended(0).await), ["new_contact"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_for_one_sid() {
    let world = world().await;
    let bodies: Vec<String> = (0..20)
        .map(|n| {
            format!(
                r#"{{"customData":{{"messageSid":"s","fromId":"x{n}","toId":"y","body":"{n}"}}}}"#
            )
        })
        .collect();
    let path = "incoming_custom_channel_message";
    let replies = at_once(&world, KEY, path, &bodies).await;
    assert_eq!(member(&replies, "messageId").len(), 1);
    let expected = ["new_contact", "new_conversation", "custom_channel_incoming"];
    assert_eq!(types(&world.appended(0).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grant_for_one_key() {
    let shop = Agency::new().await;
    let bodies: Vec<String> = (1..=20)
        .map(|n| format!(r#"{{"email":"sub@agency.example","amount":{n},"idempotency_key":"k"}}"#))
        .collect();
    let replies = at_once(&shop.world, AGENCY_KEY, "subaccounts/credits", &bodies).await;
    assert_eq!(member(&replies, "new_balance").len(), 1);
    let added: u64 = replies[0].json()["credits_added"].as_u64().unwrap();
    assert_eq!(credits(&shop.world, shop.sub).await, 42 + added);
    assert_eq!(
        types(&told(&shop.world, shop.sub, 0).await),
        ["credits_granted"]
    );
    assert_eq!(logged(&shop.world, shop.owner).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_beside_the_last_credits_never_overdraw_them() {
    let shop = Agency::new().await;
    let auto = AutoRecharge {
        enabled: true,
        threshold: 3,
        amount: 500,
        open_key: None,
    };
    crate::shop::set_balance(&shop.world, shop.sub, 5, auto).await;
    let bodies: Vec<String> = (0..12)
        .map(|n| format!(r#"{{"customData":{{"fromId":"x","customChannel":"c","body":"{n}"}}}}"#))
        .collect();
    let path = "send_custom_channel_message";
    let replies = at_once(&shop.world, SUB_KEY, path, &bodies).await;
    let of = |status| replies.iter().filter(move |reply| reply.status == status);
    assert_eq!((of(200).count(), of(400).count()), (5, 7));
    for refused in of(400) {
        assert_eq!(refused.error().0, "INSUFFICIENT_CREDITS");
    }
    assert_eq!(credits(&shop.world, shop.sub).await, 0);
    let asked = told(&shop.world, shop.owner, 1).await;
    assert_eq!(types(&asked), ["auto_recharge"]);
    let sent = told(&shop.world, shop.sub, 0).await;
    let sent = sent
        .iter()
        .filter(|(name, _)| name == "custom_channel_outgoing");
    let mut left: Vec<String> = sent
        .map(|(_, data)| {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            data["credits"].to_string()
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sub_account_for_one_address() {
    let shop = Agency::new().await;
    let body = r#"{"email":"new@agency.example","first_name":"A","last_name":"B"}"#;
    let bodies = vec![body.to_owned(); 6];
    let replies = at_once(&shop.world, AGENCY_KEY, "subaccounts", &bodies).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    let refused = replies.iter().filter(|reply| reply.status == 409).count();
    assert_eq!((created, refused), (1, 5));
    assert_eq!(logged(&shop.world, shop.owner).await, 2);
    // One of them is there, and it can be used.
    let found = shop
        .call("GET", "subaccounts?email=new@agency.example", "")
        .await;
    assert_eq!(found.status, 200);
    assert_eq!(call(&shop.world, "GET", "contacts/x", "").await.status, 404);
}
