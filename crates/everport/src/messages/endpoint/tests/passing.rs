//! What is sent arrives: whole, once, in its order, at whom it was sent to.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Waker};

use futures_core::Stream;
use serde::{Deserialize, Serialize};

use super::harness::{
    LIMIT, WATCHER, knows, on_both_runtimes, pends, three, unopened, until, within, worker,
};
use crate::messages::{Endpoint, Message, Messages, ReceiveError, SendError, SubscribeError};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u32,
    lines: Vec<String>,
}

fn order(number: u32) -> Order {
    let lines = vec!["über".to_owned(), String::new()];
    Order { number, lines }
}

async fn next<T: serde::de::DeserializeOwned>(messages: &mut Messages<T>) -> Message<T> {
    within(messages.next()).await.unwrap().unwrap()
}

#[test]
fn messages_are_a_stream() {
    async fn taken_from(
        mut stream: impl Stream<Item = Result<Message<u32>, ReceiveError>> + Unpin,
    ) -> Vec<Option<u32>> {
        let mut taken = Vec::new();
        while let Some(item) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            taken.push(item.ok().map(|message| message.value));
        }
        taken
    }
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut numbers = one.messages::<u32>("number").unwrap();
        let mut nothing_yet = Context::from_waker(Waker::noop());
        assert!(
            Pin::new(&mut numbers)
                .poll_next(&mut nothing_yet)
                .is_pending()
        );
        let taking = tokio::spawn(taken_from(numbers));
        knows(&watcher, worker(1)).await;
        watcher.send(worker(1), "number", &1).await.unwrap();
        watcher.send(worker(1), "number", "no").await.unwrap();
        watcher.send(worker(1), "number", &2).await.unwrap();
        until(|| switch.passed().0 == 3).await;
        switch.kill(worker(1)).await;
        let taken = within(taking).await.unwrap();
        assert_eq!(taken, [Some(1), None, Some(2)]);
    });
}

#[test]
fn a_message_arrives_as_it_was_sent() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, two) = three();
        let mut orders = watcher.messages::<Order>("order").unwrap();
        let mut others = two.messages::<Order>("order").unwrap();
        knows(&one, worker(2)).await;
        one.send(WATCHER, "order", &order(1)).await.unwrap();
        one.send(worker(2), "order", &order(2)).await.unwrap();
        watcher.send(worker(2), "order", &order(3)).await.unwrap();
        let message = next(&mut orders).await;
        assert_eq!((message.from, message.value), (worker(1), order(1)));
        let mut came = [next(&mut others).await, next(&mut others).await];
        came.sort_by_key(|message| message.value.number);
        assert_eq!(came.each_ref().map(|it| it.from), [worker(1), WATCHER]);
        assert_eq!(came.map(|it| it.value), [order(2), order(3)]);
    });
}

#[test]
fn one_sends_to_itself() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        for (endpoint, own) in [(&one, worker(1)), (&watcher, WATCHER)] {
            let mut own_words = endpoint.messages::<String>("note").unwrap();
            endpoint.send(own, "note", "to myself").await.unwrap();
            let message = next(&mut own_words).await;
            assert_eq!((message.from, message.value), (own, "to myself".to_owned()));
        }
    });
}

#[test]
fn every_size_arrives_whole() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let sizes = [
            0,
            1,
            65_000,
            65_536,
            131_072,
            262_144,
            1_000_000,
            LIMIT as usize - 2,
        ];
        let sending = tokio::spawn(async move {
            for (number, size) in sizes.into_iter().enumerate() {
                let text = text_of(number, size);
                one.send(WATCHER, "text", &text).await.unwrap();
            }
            one
        });
        for (number, size) in sizes.into_iter().enumerate() {
            assert!(
                next(&mut texts).await.value == text_of(number, size),
                "{size}"
            );
        }
        within(sending).await.unwrap();
    });
}

fn text_of(number: usize, size: usize) -> String {
    let letters = ('a'..='z').cycle().skip(number);
    letters.take(size).collect()
}

#[test]
fn what_one_sends_keeps_its_order_over_events() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut even = watcher.messages::<u32>("even").unwrap();
        let mut odd = watcher.messages::<u32>("odd").unwrap();
        let sending = tokio::spawn(async move {
            for number in 0..5_000_u32 {
                let event = ["even", "odd"][(number % 2) as usize];
                one.send(WATCHER, event, &number).await.unwrap();
            }
            one
        });
        for number in (0..5_000).step_by(2) {
            assert_eq!(next(&mut even).await.value, number);
            assert_eq!(next(&mut odd).await.value, number + 1);
        }
        within(sending).await.unwrap();
    });
}

#[test]
fn a_broadcast_reaches_all_others_and_nobody_else() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, two) = three();
        let three = switch.attach(worker(3));
        let everybody: Vec<Endpoint> = vec![watcher.clone(), one.clone(), two, three];
        let subscriptions: Vec<_> = everybody
            .iter()
            .map(|it| it.messages::<u32>("flag").unwrap())
            .collect();
        knows(&one, worker(3)).await;
        one.broadcast("flag", &7).await.unwrap();
        let reached = subscriptions.into_iter().zip([false, false, true, true]);
        for (mut messages, is_reached) in reached {
            match is_reached {
                true => assert_eq!(next(&mut messages).await.value, 7),
                false => assert!(pends(messages.next()).await),
            }
        }
    });
}

#[test]
fn the_watchers_broadcast_reaches_every_worker() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, two) = three();
        let mut first = one.messages::<u32>("flag").unwrap();
        let mut second = two.messages::<u32>("flag").unwrap();
        knows(&watcher, worker(2)).await;
        watcher.broadcast("flag", &7).await.unwrap();
        assert_eq!(next(&mut first).await.from, WATCHER);
        assert_eq!(next(&mut second).await.value, 7);
    });
}

#[test]
fn what_nobody_subscribes_to_is_dropped_and_holds_up_nobody() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let text = "x".repeat(100_000);
        within(async {
            for _ in 0..20 {
                one.send(WATCHER, "nothing", &text).await.unwrap();
            }
        })
        .await;
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        one.send(WATCHER, "number", &1).await.unwrap();
        assert_eq!(next(&mut numbers).await.value, 1);
    });
}

#[test]
fn an_event_has_one_subscriber_until_that_is_dropped() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let first = watcher.messages::<u32>("number").unwrap();
        let taken = watcher.messages::<u32>("number").unwrap_err();
        assert_eq!(taken, SubscribeError::Taken("number".to_owned()));
        drop(first);
        let mut second = watcher.messages::<u32>("number").unwrap();
        one.send(WATCHER, "number", &1).await.unwrap();
        assert_eq!(next(&mut second).await.value, 1);
    });
}

#[test]
fn what_is_no_such_value_is_an_error_and_the_next_one_comes() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        one.send(WATCHER, "number", "seven").await.unwrap();
        one.send(WATCHER, "number", &7).await.unwrap();
        let error = within(numbers.next()).await.unwrap().unwrap_err();
        assert_eq!((error.from, error.event.as_str()), (worker(1), "number"));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("invalid type"), "{cause}");
        assert_eq!(next(&mut numbers).await.value, 7);
    });
}

#[test]
fn what_cannot_be_sent_is_an_error_that_says_why() {
    on_both_runtimes(|| async {
        let (_switch, _watcher, one, _two) = three();
        let text = "x".repeat(LIMIT as usize - 1);
        let error = one.send(WATCHER, "text", &text).await.unwrap_err();
        let (expected, most) = (text.len() + 2, LIMIT as usize);
        let SendError::TooLong { length, limit } = error else {
            panic!("{error}");
        };
        assert_eq!((length, limit), (expected, most));
        for name in [String::new(), "x".repeat(256)] {
            let error = one.send(WATCHER, &name, &1).await.unwrap_err();
            assert!(matches!(error, SendError::EventName(_)), "{error}");
        }
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = one.send(WATCHER, "keys", &keys).await.unwrap_err();
        assert!(matches!(error, SendError::Encode { .. }), "{error}");
        let longest = "x".repeat(255);
        one.send(WATCHER, &longest, &1).await.unwrap();
    });
}

#[test]
fn what_is_sent_before_there_is_a_socket_waits_for_it() {
    on_both_runtimes(|| async {
        let (switch, watcher, _one, _two) = three();
        let three = unopened(worker(3));
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        let mut own = three.messages::<u32>("number").unwrap();
        let sender = three.clone();
        let sending = tokio::spawn(async move { sender.send(WATCHER, "number", &1).await });
        assert!(pends(numbers.next()).await);
        three.open(switch.socket(worker(3)), LIMIT);
        within(sending).await.unwrap().unwrap();
        assert_eq!(next(&mut numbers).await.value, 1);
        knows(&watcher, worker(3)).await;
        watcher.send(worker(3), "number", &2).await.unwrap();
        assert_eq!(next(&mut own).await.value, 2);
    });
}

#[test]
fn a_socket_that_nobody_asked_for_is_dropped() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        one.open(switch.socket(worker(9)), LIMIT);
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        one.send(WATCHER, "number", &1).await.unwrap();
        assert_eq!(next(&mut numbers).await.from, worker(1));
    });
}

#[test]
fn alone_everything_is_sent_to_nobody() {
    on_both_runtimes(|| async {
        let alone = Endpoint::alone();
        alone.send(WATCHER, "number", &1).await.unwrap();
        alone.send(worker(1), "number", &1).await.unwrap();
        alone.broadcast("number", &1).await.unwrap();
        let mut numbers = alone.messages::<u32>("number").unwrap();
        assert!(alone.messages::<u32>("number").is_err());
        assert!(pends(numbers.next()).await);
        let error = alone.send(WATCHER, "", &1).await.unwrap_err();
        assert!(matches!(error, SendError::EventName(_)), "{error}");
    });
}
