//! Who takes nothing holds up those who send to it, and nobody else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use super::harness::{
    WATCHER, knows, on_both_runtimes, pends, three, until, use_up, within, worker,
};
use crate::messages::{Endpoint, Lane, Peer, WINDOW};

/// Sends texts of this length until somebody has to wait, and tells how many were sent. The one that waits is given up.
async fn fill(endpoint: &Endpoint, to: Peer, length: usize) -> u32 {
    let text = "x".repeat(length);
    let mut sent = 0;
    while !pends(endpoint.send(to, "text", &text)).await {
        sent += 1;
        assert!(
            u64::from(sent) * length as u64 <= 4 * u64::from(WINDOW),
            "nobody waits"
        );
    }
    sent
}

#[test]
fn a_sender_waits_for_whoever_does_not_take() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let sent = fill(&one, WATCHER, 50_000).await;
        assert_eq!(sent, 5, "as many as fit into a window");
        assert!(switch.outstanding(worker(1), WATCHER, Lane::Messages) <= WINDOW);
        for _ in 0..sent {
            within(texts.next()).await.unwrap().unwrap();
        }
        assert!(
            pends(texts.next()).await,
            "the one that waited was given up"
        );
        let sent = fill(&one, WATCHER, 50_000).await;
        assert!(sent >= 4, "{sent} after everything was taken");
    });
}

#[test]
fn a_window_is_used_up_to_its_last_byte() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let _texts = watcher.messages::<String>("text").unwrap();
        use_up(&one, WATCHER).await;
        let outstanding = || switch.outstanding(worker(1), WATCHER, Lane::Messages);
        until(|| outstanding() == WINDOW).await;
        assert!(pends(one.send(WATCHER, "text", "")).await);
        assert_eq!(outstanding(), WINDOW);
    });
}

#[test]
fn one_that_takes_nothing_holds_up_nobody_else() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, two) = three();
        let _never_taken = watcher.messages::<String>("text").unwrap();
        let mut texts = two.messages::<String>("text").unwrap();
        knows(&one, worker(2)).await;
        fill(&one, WATCHER, 10_000).await;
        for _ in 0..100 {
            let text = "y".repeat(10_000);
            within(one.send(worker(2), "text", &text)).await.unwrap();
            assert_eq!(within(texts.next()).await.unwrap().unwrap().value, text);
        }
    });
}

#[test]
fn a_broadcast_passes_those_who_take_nothing() {
    on_both_runtimes(|| async {
        let (switch, _watcher, one, two) = three();
        let three = switch.attach(worker(3));
        let _never_taken = two.messages::<String>("text").unwrap();
        let mut texts = three.messages::<String>("text").unwrap();
        knows(&one, worker(3)).await;
        use_up(&one, worker(2)).await;
        assert!(pends(one.broadcast("text", "for all")).await);
        assert_eq!(
            within(texts.next()).await.unwrap().unwrap().value,
            "for all"
        );
        // Nobody was there any more who waited for it.
        drop(_never_taken);
        let mut texts = two.messages::<String>("text").unwrap();
        within(one.broadcast("text", "again")).await.unwrap();
        let text = within(texts.next()).await.unwrap().unwrap();
        assert_eq!(text.value, "again");
    });
}

#[test]
fn a_dropped_subscription_lets_its_senders_go_on() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let texts = watcher.messages::<String>("text").unwrap();
        use_up(&one, WATCHER).await;
        let sender = one.clone();
        let waiting = tokio::spawn(async move { sender.send(WATCHER, "text", "late").await });
        until(|| one.shared.change(|state, _| state.waiting(WATCHER)) == 1).await;
        drop(texts);
        within(waiting).await.unwrap().unwrap();
    });
}

#[test]
fn a_long_message_flows_to_who_has_not_taken_it_yet() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let text = "x".repeat(3_000_000);
        within(one.send(WATCHER, "text", &text)).await.unwrap();
        // What it keeps of the window is not enough for another one.
        let (sender, again) = (one.clone(), text.clone());
        let sending = tokio::spawn(async move { sender.send(WATCHER, "text", &again).await });
        assert!(pends(std::future::pending::<()>()).await);
        assert!(!sending.is_finished());
        for _ in 0..2 {
            assert!(within(texts.next()).await.unwrap().unwrap().value == text);
        }
        within(sending).await.unwrap().unwrap();
    });
}

#[test]
fn a_send_that_is_given_up_is_sent_whole_or_not_at_all() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let text = "x".repeat(WINDOW as usize / 2);
        for turn in 0..50 {
            // Polled a few times and dropped, in the midst of being sent or before.
            let mut sending = Box::pin(one.send(WATCHER, "text", &text));
            for _ in 0..turn % 7 {
                if poll_once(sending.as_mut()).await {
                    break;
                }
            }
            drop(sending);
        }
        let sending = tokio::spawn({
            let one = one.clone();
            async move { one.send(WATCHER, "text", "the end").await }
        });
        loop {
            let message = within(texts.next()).await.unwrap().unwrap();
            if message.value == "the end" {
                break;
            }
            assert!(message.value == text, "a part of a message");
        }
        within(sending).await.unwrap().unwrap();
    });
}

/// Polls it once, and lets others have their turn; whether it has resolved.
async fn poll_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready()));
    let is_over = polled.await;
    tokio::task::yield_now().await;
    is_over
}

#[test]
fn whoever_is_given_up_in_the_queue_makes_room_for_a_shorter_one() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        // Less than the longest frame's length is left of the window.
        let text = "x".repeat(60_000);
        for _ in 0..4 {
            within(one.send(WATCHER, "text", &text)).await.unwrap();
        }
        let too_long = one.clone();
        let stuck = tokio::spawn({
            let text = text.clone();
            async move { too_long.send(WATCHER, "text", &text).await }
        });
        let queued = || one.shared.change(|state, _| state.waiting(WATCHER));
        until(|| queued() == 1).await;
        let behind = one.clone();
        let short = tokio::spawn(async move { behind.send(WATCHER, "text", "short").await });
        until(|| queued() == 2).await;
        stuck.abort();
        within(short).await.unwrap().unwrap();
        for _ in 0..4 {
            assert!(within(texts.next()).await.unwrap().unwrap().value == text);
        }
        let last = within(texts.next()).await.unwrap().unwrap();
        assert_eq!(last.value, "short");
    });
}

#[test]
fn credits_are_few() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        let taken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&taken);
        let taking = tokio::spawn(async move {
            while count.fetch_add(1, Ordering::Relaxed) < 10_000 {
                numbers.next().await.unwrap().unwrap();
            }
        });
        for number in 0..10_000_u32 {
            one.send(WATCHER, "number", &number).await.unwrap();
        }
        within(taking).await.unwrap();
        let (messages, credits) = switch.passed();
        assert_eq!(messages, 10_000);
        assert!((1..=20).contains(&credits), "{credits} credits");
    });
}
