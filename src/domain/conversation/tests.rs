//! Messages, conversations and credits against a store in memory.

use super::message::{Author, Direction, Kind};
use super::*;
use crate::domain::contact::{self, Contact, Identity, Person};
use crate::domain::credit::{self, AutoRecharge, Balance, NewGrant};
use crate::domain::day::Day;
use crate::domain::fixture::{World, types};
use crate::domain::usage::{self, Usage};
use crate::error::{Error, Kind as Fault};

fn outgoing(body: &str) -> NewMessage {
    NewMessage {
        kind: Kind::Custom,
        direction: Direction::Out,
        author: Author::System,
        body: body.to_owned(),
        is_html: false,
        notice: Notice::Outgoing {
            external_contact_id: "x".to_owned(),
            message_type: "text".to_owned(),
            campaign_id: None,
        },
    }
}

fn incoming(kind: Kind, sid: &str, body: &str) -> NewMessage {
    NewMessage {
        kind,
        direction: Direction::In,
        author: Author::Contact(1001),
        body: body.to_owned(),
        is_html: false,
        notice: Notice::Incoming {
            message_sid: sid.to_owned(),
            from_id: "x".to_owned(),
            to_id: "y".to_owned(),
            message_type: "text".to_owned(),
            campaign_id: None,
            status: "received".to_owned(),
        },
    }
}

fn sms(text: &str) -> NewMessage {
    NewMessage {
        kind: Kind::Sms,
        notice: Notice::Number("+526643596440".to_owned()),
        ..outgoing(text)
    }
}

/// Posts by the rule of 6.2, in the channel `c` or by text message.
async fn sent(world: &World, new: &NewMessage) -> Result<Posted, Error> {
    let account = &world.account().await;
    let run = world.run(|tx| async move {
        let identity = Identity {
            channel: "c".to_owned(),
            external_id: "x".to_owned(),
        };
        let person = Person {
            first_name: "Unknown",
            last_name: "Unknown",
            identity: Some(&identity),
            ..Person::default()
        };
        let contact: Contact = contact::link(&tx, account, &person).await?.unwrap();
        let channel = match new.kind {
            Kind::Sms => Channel::Sms,
            _ => Channel::Custom("c".to_owned()),
        };
        let place = joined(&tx, account, &contact, channel, new).await?;
        post(&tx, account, &contact, place, new, 1).await
    });
    run.await
}

#[tokio::test]
async fn messages_join_the_newest_open_conversation_of_their_channel() {
    let world = World::new(10).await;
    let first = sent(&world, &outgoing("Hello\nJane")).await.unwrap();
    assert_eq!(first.conversation.status, Status::Answered);
    assert_eq!(first.conversation.subject, "Hello Jane");
    let told = world.told().await;
    let expected = ["new_contact", "new_conversation", "custom_channel_outgoing"];
    assert_eq!(types(&told), expected);
    assert_eq!(told[1].1["department_name"], "General");
    assert_eq!(told[1].1["channel"], "custom:c");
    assert_eq!(told[1].1["preview"], "Hello Jane");
    assert_eq!(told[2].1["credits"], 9);
    assert_eq!(told[2].1["body"], "Hello\nJane");
    // Another channel, another conversation.
    let other = sent(&world, &sms("Hi ")).await.unwrap();
    assert_ne!(other.conversation.id, first.conversation.id);
    let told = world.told().await;
    assert_eq!(types(&told), ["new_conversation", "sms"]);
    assert_eq!(told[1].1["text"], "Hi ");
    // The customer answers, then sends an emoji, which changes no status.
    let answer = sent(&world, &incoming(Kind::Custom, "1", "Yes"))
        .await
        .unwrap();
    assert_eq!(answer.conversation.id, first.conversation.id);
    assert_eq!(answer.conversation.status, Status::Open);
    sent(&world, &outgoing("Good")).await.unwrap();
    let emoji = sent(&world, &incoming(Kind::Reaction, "2", "👍"))
        .await
        .unwrap();
    assert_eq!(emoji.conversation.status, Status::Answered);
    let expected = [
        "custom_channel_incoming",
        "custom_channel_outgoing",
        "custom_channel_incoming",
    ];
    assert_eq!(types(&world.told().await), expected);
    let view = world.db.view();
    let found = message::by_sid(&view, world.account, "c", "1")
        .await
        .unwrap();
    assert_eq!(found, Some(answer.message.clone()));
    assert_eq!(
        message::by_sid(&view, world.account, "d", "1")
            .await
            .unwrap(),
        None
    );
    for (skip, take, expected) in [(0, 10, 5), (2, 2, 2), (4, 10, 1), (9, 1, 0), (0, 0, 0)] {
        let found = message::of_contact(&view, world.account, 1001, skip, take).await;
        assert_eq!(found.unwrap().len(), expected, "{skip} {take}");
    }
    for name in [
        first.conversation.reference.to_string(),
        first.conversation.code.to_lowercase(),
        first.conversation.public_code.clone(),
    ] {
        let found = named(&view, world.account, &name).await.unwrap().unwrap();
        assert_eq!(found.id, first.conversation.id, "{name}");
        assert_eq!(named(&view, world.agency, &name).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_resolved_spam_or_deleted_is_joined_no_more() {
    let world = World::new(10).await;
    let account = world.account;
    let mut last = sent(&world, &outgoing("1")).await.unwrap().conversation;
    for status in [Status::Resolved, Status::Spam, Status::Deleted] {
        let before = &last;
        world
            .run(|tx| async move {
                let after = Conversation {
                    status,
                    ..before.clone()
                };
                save(&tx, account, Some(before), &after)
            })
            .await
            .unwrap();
        let next = sent(&world, &incoming(Kind::Custom, &format!("{status:?}"), "")).await;
        let next = next.unwrap().conversation;
        assert_ne!(next.id, last.id, "{status:?}");
        assert_eq!(next.status, Status::New);
        last = next;
    }
}

#[tokio::test]
async fn a_note_is_internal_and_a_deleted_conversation_takes_nothing() {
    let world = World::new(10).await;
    let first = &sent(&world, &outgoing("1")).await.unwrap().conversation;
    world.told().await;
    let account = &world.account().await;
    let note = &NewMessage {
        kind: Kind::Note,
        direction: Direction::Internal,
        notice: Notice::plain(),
        ..outgoing("secret")
    };
    let add = async |conversation: &Conversation| {
        let run = world.run(|tx| async move {
            let contact = contact::by_id(&tx, account.id, 1001).await?.unwrap();
            let place = Place::Known(Box::new(conversation.clone()));
            post(&tx, account, &contact, place, note, 1).await
        });
        run.await
    };
    let posted = add(first).await.unwrap();
    assert_eq!(posted.conversation.preview, "1");
    let told = world.told().await;
    assert_eq!(types(&told), ["conversation_message"]);
    assert_eq!(told[0].1["author_type"], "system");
    let view = world.db.view();
    let shown = message::of_contact(&view, account.id, 1001, 0, 10)
        .await
        .unwrap();
    assert_eq!(shown.len(), 1);
    let all = message::of_conversation(&view, account.id, first.id, 0, 10).await;
    assert_eq!(all.unwrap().len(), 2);
    let deleted = Conversation {
        status: Status::Deleted,
        ..first.clone()
    };
    let refused = add(&deleted).await.unwrap_err();
    assert_eq!(refused.kind, Fault::Conflict);
}

#[tokio::test]
async fn credits_are_taken_until_there_are_none_and_asked_for_once() {
    let world = World::new(0).await;
    let account = world.account;
    let balance = &Balance {
        credits: 3,
        auto_recharge: AutoRecharge {
            enabled: true,
            threshold: 1,
            amount: 500,
            open_key: None,
        },
    };
    let set = world.run(|tx| async move { credit::set(&tx, account, balance).await });
    set.await.unwrap();
    for (left, asked) in [(2, 0), (1, 1), (0, 0)] {
        sent(&world, &sms("x")).await.unwrap();
        let told = world.told().await;
        assert_eq!(told.last().unwrap().1["credits"], left);
        assert_eq!(world.agency_told().await.len(), asked, "{left}");
    }
    let refused = sent(&world, &sms("x")).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.field.as_deref()),
        (Fault::Invalid, Some("credits"))
    );
    assert_eq!(world.told().await, []);
    let view = world.db.view();
    let open = credit::balance(&view, account).await.unwrap();
    let key = open.auto_recharge.open_key.unwrap();
    assert_eq!(key.len(), 32);
    // Too little to be above the threshold, but it names the question.
    let give = async |amount: u64, key: Option<String>| {
        let to = &world.account().await;
        let new = &NewGrant {
            amount,
            description: None,
            idempotency_key: key,
        };
        let agency = world.agency;
        let run = world.run(|tx| async move { credit::grant(&tx, agency, to, new).await });
        run.await.unwrap().balance
    };
    assert_eq!(give(1, None).await, 1);
    let balance = async || credit::balance(&world.db.view(), account).await.unwrap();
    assert!(balance().await.auto_recharge.open_key.is_some());
    assert_eq!(give(0, Some(key.clone())).await, 1);
    assert_eq!(balance().await.auto_recharge.open_key, None);
    assert_eq!(world.agency_told().await.len(), 2);
    assert_eq!(types(&world.told().await), ["credits_granted"; 2]);
    // The same key again gives the first answer and nothing else.
    assert_eq!(give(700, Some(key)).await, 1);
    assert_eq!(balance().await.credits, 1);
    assert_eq!(world.told().await, []);
    let day = Day::parse("2026-01-15").unwrap();
    let days = usage::between(&world.db.view(), account, day, day)
        .await
        .unwrap();
    let counted = Usage {
        sms: 3,
        credits_used: 3,
        credits_granted: 1,
        ..Usage::default()
    };
    assert_eq!(days, [(day, counted)]);
    let used = usage::used_this_month(&world.db.view(), &world.account().await).await;
    assert_eq!(used.unwrap(), 3);
}

#[tokio::test]
async fn an_account_without_agency_pays_nothing() {
    let world = World::new(0).await;
    let agency = world.agency;
    let left = world.run(|tx| async move {
        let account = crate::domain::account::by_id(&tx, agency).await?;
        credit::debit(&tx, &account, credit::Expense::Sms, 1).await
    });
    assert_eq!(left.await.unwrap(), None);
}
