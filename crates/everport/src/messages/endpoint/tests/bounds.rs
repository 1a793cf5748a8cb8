//! How much of somebody's messages an endpoint holds: bounded by bytes, however few they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::harness::{LONG, WATCHER, knows, on_both_runtimes, pends, three, until, within, worker};
use crate::messages::endpoint::calls::BYTES_AT_A_TIME;
use crate::messages::{KEPT, LONGEST_FRAME, Lane, Message, WINDOW};

#[test]
fn no_more_of_a_sender_waits_than_one_long_message_and_half_a_window() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let text = "x".repeat(3_000_000);
        let sending = tokio::spawn({
            let text = text.clone();
            async move {
                for _ in 0..4 {
                    one.send(WATCHER, "text", &text).await.unwrap();
                }
            }
        });
        let held = || watcher.shared.change(|state, _| state.held(worker(1)));
        let is_full = || {
            let used = switch.outstanding(worker(1), WATCHER, Lane::Messages);
            used > WINDOW - LONGEST_FRAME as u32
        };
        for _ in 0..3 {
            until(|| held() > text.len() + 2 && is_full()).await;
            assert!(pends(std::future::pending::<()>()).await);
            let most = text.len() + 2 + (WINDOW - KEPT) as usize;
            assert!(held() <= most, "{} bytes wait", held());
            assert!(within(texts.next()).await.unwrap().unwrap().value == text);
        }
        assert!(within(texts.next()).await.unwrap().unwrap().value == text);
        within(sending).await.unwrap();
        assert_eq!(held(), 0);
    });
}

#[test]
fn a_long_message_that_is_dropped_lets_the_next_one_come() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let dropped = watcher.messages::<String>("dropped").unwrap();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let text = "x".repeat(3_000_000);
        within(one.send(WATCHER, "dropped", &text)).await.unwrap();
        let sending = tokio::spawn({
            let text = text.clone();
            async move { one.send(WATCHER, "text", &text).await }
        });
        assert!(pends(texts.next()).await);
        drop(dropped);
        assert!(within(texts.next()).await.unwrap().unwrap().value == text);
        within(sending).await.unwrap().unwrap();
    });
}

#[test]
fn long_requests_are_answered_a_few_at_a_time_and_all_in_the_end() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (passing, count) = (Arc::clone(&gate), Arc::clone(&begun));
        let length = move |request: Message<String>| {
            count.fetch_add(request.value.len(), Ordering::Relaxed);
            let passing = Arc::clone(&passing);
            async move {
                passing.acquire().await.unwrap().forget();
                request.value.len()
            }
        };
        watcher.answer("length", length).unwrap();
        watcher
            .answer("echo", async |request: Message<u8>| request.value)
            .unwrap();
        let text = Arc::new("x".repeat(3_000_000));
        let calls: Vec<_> = (0..12)
            .map(|_| {
                let (one, text) = (one.clone(), Arc::clone(&text));
                tokio::spawn(
                    async move { one.call::<_, usize>(WATCHER, "length", &*text, LONG).await },
                )
            })
            .collect();
        until(|| begun.load(Ordering::Relaxed) + text.len() > BYTES_AT_A_TIME).await;
        // Those of other events do not wait behind those that are not begun.
        for number in 0..10_u8 {
            let echo: u8 = within(one.call(WATCHER, "echo", &number, LONG))
                .await
                .unwrap();
            assert_eq!(echo, number);
        }
        assert!(pends(std::future::pending::<()>()).await);
        let held = begun.load(Ordering::Relaxed);
        assert!(held <= BYTES_AT_A_TIME, "{held} bytes are being answered");
        gate.add_permits(calls.len());
        for call in calls {
            assert_eq!(within(call).await.unwrap().unwrap(), text.len());
        }
    });
}

#[test]
fn a_short_call_is_answered_while_a_long_one_of_its_event_waits_for_slow_ones() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (passing, count) = (Arc::clone(&gate), Arc::clone(&begun));
        let length = move |request: Message<String>| {
            let is_slow = request.value.starts_with("slow");
            count.fetch_add(usize::from(is_slow), Ordering::Relaxed);
            let passing = Arc::clone(&passing);
            async move {
                if is_slow {
                    passing.acquire().await.unwrap().forget();
                }
                request.value.len()
            }
        };
        watcher.answer("length", length).unwrap();
        let text = Arc::new(format!("slow{}", "x".repeat(3_400_000)));
        let at_a_time = BYTES_AT_A_TIME / text.len();
        let call = || {
            let (one, text) = (one.clone(), Arc::clone(&text));
            async move { one.call::<_, usize>(WATCHER, "length", &*text, LONG).await }
        };
        let slow: Vec<_> = (0..at_a_time).map(|_| tokio::spawn(call())).collect();
        until(|| begun.load(Ordering::Relaxed) == at_a_time).await;
        let mut waiting = std::pin::pin!(call());
        assert!(pends(&mut waiting).await);
        for _ in 0..10 {
            let short = one.call::<_, usize>(WATCHER, "length", "short", LONG);
            assert_eq!(within(short).await.unwrap(), 5);
        }
        assert_eq!(begun.load(Ordering::Relaxed), at_a_time, "it has waited");
        gate.add_permits(at_a_time + 1);
        assert_eq!(within(waiting).await.unwrap(), text.len());
        for call in slow {
            assert_eq!(within(call).await.unwrap().unwrap(), text.len());
        }
        let left = one.shared.change(|state, _| state.traces_of_calls());
        assert_eq!(left, 0, "traces of calls that are over");
    });
}

/// One asks the other, whose handler asks back, whose handler asks again: with a long call of the same event between.
#[test]
fn a_circle_of_short_calls_goes_on_while_a_long_one_waits() {
    on_both_runtimes(|| async {
        let (_switch, _watcher, one, two) = three();
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (passing, count) = (Arc::clone(&gate), Arc::clone(&begun));
        let asking = two.clone();
        let work = move |request: Message<String>| {
            let (passing, asking) = (Arc::clone(&passing), asking.clone());
            let is_outer = request.value == "outer";
            count.fetch_add(usize::from(!is_outer), Ordering::Relaxed);
            async move {
                if request.value.starts_with("slow") {
                    passing.acquire().await.unwrap().forget();
                }
                if is_outer {
                    let back = asking.call::<_, usize>(worker(1), "back", "inner", LONG);
                    return back.await.unwrap() + 1;
                }
                request.value.len()
            }
        };
        two.answer("work", work).unwrap();
        let again = one.clone();
        let back = move |request: Message<String>| {
            let again = again.clone();
            async move {
                let work = again.call::<_, usize>(worker(2), "work", &request.value, LONG);
                work.await.unwrap()
            }
        };
        one.answer("back", back).unwrap();
        knows(&one, worker(2)).await;
        let text = Arc::new(format!("slow{}", "x".repeat(3_400_000)));
        let at_a_time = BYTES_AT_A_TIME / text.len();
        let long: Vec<_> = (0..=at_a_time)
            .map(|_| {
                let (one, text) = (one.clone(), Arc::clone(&text));
                tokio::spawn(async move {
                    let call = one.call::<_, usize>(worker(2), "work", &*text, LONG);
                    call.await
                })
            })
            .collect();
        until(|| begun.load(Ordering::Relaxed) == at_a_time).await;
        let circle = one.call::<_, usize>(worker(2), "work", "outer", LONG);
        assert_eq!(within(circle).await.unwrap(), "inner".len() + 1);
        gate.add_permits(long.len());
        for call in long {
            assert_eq!(within(call).await.unwrap().unwrap(), text.len());
        }
    });
}
