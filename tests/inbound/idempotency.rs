//! `protocols/transport.md` section 9.

use hookrelay::clock::Millis;
use hookrelay::store::memory::MemoryStore;
use hookrelay::store::{KeyRange, Store};

use crate::world::{KEY, LOGIN, NOW, Options, PASSWORD, Reply, World, step_on};

const MESSAGE: &str = r#"{"type":"t","data":{"a":1,"b":2}}"#;

async fn send(world: &World, key: &str, path: &str, body: &str) -> Reply {
    let headers = [("x-api-key", KEY), ("idempotency-key", key)];
    world
        .send("POST", &format!("/relay/v1/{path}"), &headers, body)
        .await
}

#[tokio::test]
async fn a_repeat_finds_the_first_answer_whatever_its_spelling() {
    let world = World::start().await;
    let first = send(&world, "k1", "messages", MESSAGE).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (202, None)
    );
    for (path, body) in [
        ("messages", MESSAGE),
        ("messages/", MESSAGE),
        ("messages", r#" {"data": {"b":2, "a":1}, "type":"t"} "#),
    ] {
        let again = send(&world, "k1", path, body).await;
        assert_eq!((again.status, &again.body), (202, &first.body), "{body}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert_eq!(world.logged().await, 1);
    let fresh = send(&world, "k2", "messages", MESSAGE).await;
    assert_ne!(fresh.body, first.body);
    world.clock.set(NOW.after(Millis::hours(24)));
    let later = send(&world, "k1", "messages", MESSAGE).await;
    assert_eq!(later.header("idempotency-replayed"), None);
    assert_eq!(world.logged().await, 3);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_a_conflict() {
    let world = World::start().await;
    let endpoint = world.endpoint("").await;
    send(&world, "k", "messages", MESSAGE).await;
    let test = format!("endpoints/{endpoint}/test");
    for (path, body) in [
        ("messages", r#"{"type":"t","data":{"a":1,"b":3}}"#),
        // Even a request that is not valid: the key is looked up first.
        ("messages", "{}"),
        (test.as_str(), MESSAGE),
    ] {
        let reply = send(&world, "k", path, body).await;
        assert_eq!(
            (reply.status, reply.error().0.as_str()),
            (409, "CONFLICT"),
            "{path}"
        );
        assert_eq!(
            reply.json()["error"]["message"],
            "Idempotency-Key was used for another request"
        );
    }
    assert_eq!(world.logged().await, 1);
}

#[tokio::test]
async fn keys_are_bounded_and_errors_are_not_kept() {
    let world = World::start().await;
    let long = "k".repeat(65);
    for key in [long.as_str(), "ä"] {
        let reply = send(&world, key, "messages", MESSAGE).await;
        assert_eq!(
            (reply.status, reply.error().0.as_str()),
            (400, "INVALID_REQUEST")
        );
        assert_eq!(
            reply.json()["error"]["message"],
            "Idempotency-Key is not valid"
        );
    }
    assert_eq!(
        send(&world, &long[..64], "messages", "{}").await.status,
        400
    );
    let reply = send(&world, &long[..64], "messages", MESSAGE).await;
    assert_eq!(
        (reply.status, reply.header("idempotency-replayed")),
        (202, None)
    );
    // A GET ignores the header.
    let headers = [("x-api-key", KEY), ("idempotency-key", long.as_str())];
    let reply = world.send("GET", "/relay/v1/endpoints", &headers, "").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn an_answer_with_a_secret_is_kept_sealed_and_comes_back_whole() {
    let world = World::start().await;
    let body = r#"{"url":"https://c.example/"}"#;
    let first = send(&world, "k", "endpoints", body).await;
    let again = send(&world, "k", "endpoints", body).await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert!(
        again.json()["signing_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );
    let list = world.manage("GET", "endpoints", "").await.json();
    assert_eq!(list["endpoints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_order_that_changes_nothing_is_not_kept() {
    let world = World::start().await;
    let endpoint = world.endpoint("").await;
    let path = format!("endpoints/{endpoint}/release");
    send(&world, "k", &path, "").await;
    let again = send(&world, "k", &path, "").await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (200, None)
    );
}

#[tokio::test]
async fn of_two_at_once_one_commits_and_the_other_repeats_it_when_it_is_durable() {
    let world = World::with(Options {
        store: MemoryStore::stepped(),
        ..Options::default()
    })
    .await;
    let both = async {
        tokio::join!(
            send(&world, "k", "messages", MESSAGE),
            send(&world, "k", "messages", MESSAGE)
        )
    };
    let mut both = std::pin::pin!(both);
    // Both stand in the store's queue, neither is answered.
    loop {
        tokio::select! {
            _ = &mut both => panic!("answered before it was durable"),
            () = tokio::task::yield_now() => {}
        }
        if world.store.queued() == 2 {
            break;
        }
    }
    let (one, other) = tokio::select! {
        both = &mut both => both,
        () = step_on(&world.store) => unreachable!("stepping never ends"),
    };
    assert_eq!((one.status, other.status), (202, 202));
    assert_eq!(one.body, other.body);
    let replayed = [&one, &other].map(|reply| reply.header("idempotency-replayed").is_some());
    assert_eq!(replayed.iter().filter(|replayed| **replayed).count(), 1);
    assert_eq!(world.logged().await, 1);
}

#[tokio::test]
async fn an_empty_body_is_the_empty_object() {
    let world = World::start().await;
    let endpoint = world.endpoint("").await;
    let path = format!("endpoints/{endpoint}/test");
    let first = send(&world, "k", &path, "").await;
    for body in ["", "  ", "{}", " { } "] {
        let again = send(&world, "k", &path, body).await;
        assert_eq!((again.status, &again.body), (202, &first.body), "{body:?}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}

#[tokio::test]
async fn a_key_is_known_to_its_account_and_surface_only() {
    let world = World::start().await;
    let other = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "other", other).await;
    let first = send(&world, "k", "messages", MESSAGE).await;
    let headers = [("x-api-key", other), ("idempotency-key", "k")];
    let reply = world
        .send("POST", "/relay/v1/messages", &headers, MESSAGE)
        .await;
    assert_eq!(
        (reply.status, reply.header("idempotency-replayed")),
        (202, None)
    );
    assert_ne!(reply.body, first.body);
    world.endpoint("").await;
    let headers = [("idempotency-key", "k")];
    let pairs = format!(
        "ai_command=authenticate_notifications&ai_login_id={LOGIN}&ai_login_password={PASSWORD}"
    );
    let reply = world.send("POST", "/service", &headers, &pairs).await;
    assert_eq!(
        (reply.body.as_str(), reply.header("idempotency-replayed")),
        ("status=0&status_message=Success&endpoints=1", None)
    );
    // A message's own key is another scope.
    let own = r#"{"type":"t","data":"x","idempotency_key":"k"}"#;
    let reply = world.manage("POST", "messages", own).await;
    assert_eq!(reply.status, 202);
    assert_ne!(reply.body, first.body);
}

#[tokio::test]
async fn a_crash_leaves_the_change_with_its_answer_or_neither() {
    let world = World::with(Options {
        store: MemoryStore::stepped(),
        ..Options::default()
    })
    .await;
    let (account, kept) = (world.account, KeyRange::below("idem/"));
    let survivors = async || {
        let store = world.store.crash();
        let messages = store.visible(account).await.unwrap().0;
        (messages, store.scan(&kept, 9).await.unwrap().len())
    };
    let own = r#"{"type":"t","data":"x","idempotency_key":"own"}"#;
    for (body, before, after) in [(MESSAGE, (0, 0), (1, 1)), (own, (1, 1), (2, 3))] {
        let key = format!("k{}", before.0);
        let mut sent = std::pin::pin!(send(&world, &key, "messages", body));
        // It stands in the store's queue and is not answered.
        loop {
            tokio::select! {
                _ = &mut sent => panic!("answered before it was durable"),
                () = tokio::task::yield_now() => {}
            }
            if world.store.queued() > 0 {
                break;
            }
        }
        assert_eq!(survivors().await, before, "{body}");
        assert!(world.store.step());
        assert_eq!(survivors().await, after, "{body}");
        assert_eq!(sent.await.status, 202);
    }
}
