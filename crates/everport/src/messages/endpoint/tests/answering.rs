//! Requests and their replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::harness::{LIMIT, LONG, WATCHER, knows, on_both_runtimes, pends, three, within, worker};
use crate::messages::endpoint::calls::CALLS_AT_A_TIME;
use crate::messages::{CallError, Endpoint, Message, SendError, SubscribeError};

#[test]
fn a_call_is_answered() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, two) = three();
        watcher
            .answer("sum", async |request: Message<Vec<i64>>| {
                (request.from.to_string(), request.value.iter().sum::<i64>())
            })
            .unwrap();
        knows(&two, worker(1)).await;
        let sum: (String, i64) = within(one.call(WATCHER, "sum", &[1, 2, 3], LONG))
            .await
            .unwrap();
        assert_eq!(sum, ("worker 1".to_owned(), 6));
        one.answer("double", async |request: Message<i64>| request.value * 2)
            .unwrap();
        for (caller, to) in [(&two, worker(1)), (&watcher, worker(1)), (&one, worker(1))] {
            let doubled: i64 = within(caller.call(to, "double", &21, LONG)).await.unwrap();
            assert_eq!(doubled, 42);
        }
    });
}

#[test]
fn long_requests_and_answers_arrive_whole() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        watcher
            .answer("echo", async |request: Message<String>| request.value)
            .unwrap();
        let text = "ab".repeat(1_000_000);
        let echo: String = within(one.call(WATCHER, "echo", &text, LONG))
            .await
            .unwrap();
        assert!(echo == text);
    });
}

#[test]
fn what_nobody_answers_fails_at_once() {
    on_both_runtimes(|| async {
        let (_switch, _watcher, one, _two) = three();
        let error = within(one.call::<_, ()>(WATCHER, "sum", &1, LONG))
            .await
            .unwrap_err();
        let CallError::NobodyAnswers { peer, event } = error else {
            panic!("{error}");
        };
        assert_eq!((peer, event.as_str()), (WATCHER, "sum"));
    });
}

#[test]
fn a_panic_is_told_to_its_caller_and_to_nobody_else() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        watcher
            .answer("divide", async |request: Message<(i64, i64)>| {
                request.value.0 / request.value.1
            })
            .unwrap();
        let error = within(one.call::<_, i64>(WATCHER, "divide", &(1, 0), LONG))
            .await
            .unwrap_err();
        let CallError::Panicked { peer, message } = error else {
            panic!("{error}");
        };
        assert_eq!(peer, WATCHER);
        assert!(message.contains("divide by zero"), "{message}");
        let quotient: i64 = within(one.call(WATCHER, "divide", &(8, 2), LONG))
            .await
            .unwrap();
        assert_eq!(quotient, 4);
    });
}

#[test]
fn what_is_not_understood_fails_at_who_calls() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        watcher
            .answer("length", async |request: Message<String>| {
                request.value.len()
            })
            .unwrap();
        let error = within(one.call::<_, usize>(WATCHER, "length", &7, LONG))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, CallError::Failed { reason, .. } if reason.contains("integer `7`")),
            "{error}"
        );
        let error = within(one.call::<_, String>(WATCHER, "length", "seven", LONG))
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::Decode { .. }), "{error}");
    });
}

#[test]
fn an_answer_that_is_too_long_fails_the_call() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        watcher
            .answer("flood", async |_: Message<()>| "x".repeat(LIMIT as usize))
            .unwrap();
        let error = within(one.call::<_, String>(WATCHER, "flood", &(), LONG))
            .await
            .unwrap_err();
        let CallError::Failed { reason, .. } = error else {
            panic!("{error}");
        };
        assert!(reason.contains("longer than the limit"), "{reason}");
        let text = "x".repeat(LIMIT as usize);
        let error = within(one.call::<_, ()>(WATCHER, "flood", &text, LONG))
            .await
            .unwrap_err();
        let too_long = matches!(error, CallError::Send(SendError::TooLong { .. }));
        assert!(too_long, "{error}");
    });
}

#[test]
fn a_call_that_is_not_answered_in_time_ends_and_its_late_answer_harms_nobody() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let go = Arc::new(Notify::new());
        let waits = Arc::clone(&go);
        watcher
            .answer("slow", move |request: Message<u32>| {
                let waits = Arc::clone(&waits);
                async move {
                    waits.notified().await;
                    request.value
                }
            })
            .unwrap();
        let deadline = Duration::from_millis(20);
        let error = within(one.call::<_, u32>(WATCHER, "slow", &1, deadline))
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::TimedOut(after) if after == deadline));
        go.notify_one();
        go.notify_one();
        let answer: u32 = within(async {
            let calling = one.call(WATCHER, "slow", &2, LONG);
            tokio::pin!(calling);
            loop {
                tokio::select! {
                    answer = &mut calling => return answer.unwrap(),
                    () = tokio::task::yield_now() => go.notify_one(),
                }
            }
        })
        .await;
        assert_eq!(answer, 2);
    });
}

#[test]
fn an_event_has_one_who_answers_it_and_may_have_a_subscriber() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        watcher.answer("number", async |_: Message<u32>| 1).unwrap();
        let taken = watcher.answer("number", async |_: Message<u32>| 2);
        assert_eq!(taken, Err(SubscribeError::Answered("number".to_owned())));
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        one.send(WATCHER, "number", &5).await.unwrap();
        let answer: u32 = within(one.call(WATCHER, "number", &6, LONG)).await.unwrap();
        assert_eq!(answer, 1);
        assert_eq!(within(numbers.next()).await.unwrap().unwrap().value, 5);
        let alone = Endpoint::alone();
        alone.answer("number", async |_: Message<u32>| 1).unwrap();
        let error = alone.call::<_, u32>(WATCHER, "number", &6, LONG).await;
        assert!(matches!(error, Err(CallError::Standalone)));
    });
}

#[test]
fn a_bounded_number_is_answered_at_a_time_and_all_in_the_end() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let go = Arc::new(Semaphore::new(0));
        let running = Arc::new(AtomicUsize::new(0));
        let (waits, counts) = (Arc::clone(&go), Arc::clone(&running));
        watcher
            .answer("slow", move |request: Message<usize>| {
                let (waits, counts) = (Arc::clone(&waits), Arc::clone(&counts));
                async move {
                    counts.fetch_add(1, Ordering::SeqCst);
                    waits.acquire().await.unwrap().forget();
                    request.value
                }
            })
            .unwrap();
        let calls: Vec<_> = (0..3 * CALLS_AT_A_TIME)
            .map(|number| {
                let one = one.clone();
                tokio::spawn(async move {
                    let answer: usize = one.call(WATCHER, "slow", &number, LONG).await.unwrap();
                    assert_eq!(answer, number);
                })
            })
            .collect();
        super::harness::until(|| running.load(Ordering::SeqCst) == CALLS_AT_A_TIME).await;
        assert!(pends(std::future::pending::<()>()).await);
        assert_eq!(running.load(Ordering::SeqCst), CALLS_AT_A_TIME);
        go.add_permits(3 * CALLS_AT_A_TIME);
        for call in calls {
            within(call).await.unwrap();
        }
    });
}

/// What is not answered stays with whoever was asked: more of it would fill its window, and hold up everything else.
#[test]
fn calls_that_were_given_up_make_no_room_for_others_until_they_are_answered() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let go = Arc::new(Semaphore::new(0));
        let waits = Arc::clone(&go);
        watcher
            .answer("slow", move |_: Message<String>| {
                let waits = Arc::clone(&waits);
                async move { waits.acquire().await.unwrap().forget() }
            })
            .unwrap();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let text = Arc::new("x".repeat(10_000));
        for _ in 0..3 {
            let calls: Vec<_> = (0..CALLS_AT_A_TIME)
                .map(|_| {
                    let (one, text) = (one.clone(), Arc::clone(&text));
                    let timeout = Duration::from_millis(300);
                    let call = async move { one.call(WATCHER, "slow", &*text, timeout).await };
                    tokio::spawn(call)
                })
                .collect();
            for call in calls {
                let called: Result<(), _> = within(call).await.unwrap();
                assert!(matches!(called, Err(CallError::TimedOut(_))), "{called:?}");
            }
        }
        within(one.send(WATCHER, "text", "passes")).await.unwrap();
        assert_eq!(within(texts.next()).await.unwrap().unwrap().value, "passes");
        go.add_permits(CALLS_AT_A_TIME + 1);
        let called: Result<(), _> = within(one.call(WATCHER, "slow", "now", LONG)).await;
        called.unwrap();
        let left = || one.shared.change(|state, _| state.traces_of_calls());
        super::harness::until(|| left() == 0).await;
    });
}

/// Answers `outer` by asking the other one for `inner`.
fn answer_by_asking(endpoint: &Endpoint, other: crate::messages::Peer) {
    let asking = endpoint.clone();
    endpoint
        .answer("inner", async |request: Message<String>| {
            request.value.len()
        })
        .unwrap();
    endpoint
        .answer("outer", move |request: Message<String>| {
            let asking = asking.clone();
            async move {
                let inner: usize = asking
                    .call(other, "inner", &request.value, LONG)
                    .await
                    .unwrap();
                inner + 1
            }
        })
        .unwrap();
}

#[test]
fn handlers_that_call_each_other_do_not_lock_each_other_out() {
    on_both_runtimes(|| async {
        let (_switch, _watcher, one, two) = three();
        answer_by_asking(&one, worker(2));
        answer_by_asking(&two, worker(1));
        knows(&one, worker(2)).await;
        // Far more than fits into the windows, from both sides at once.
        let text = Arc::new("x".repeat(5_000));
        let calls: Vec<_> = (0..600)
            .map(|number| {
                let (caller, to) = match number % 2 {
                    0 => (one.clone(), worker(2)),
                    _ => (two.clone(), worker(1)),
                };
                let text = Arc::clone(&text);
                tokio::spawn(
                    async move { caller.call::<_, usize>(to, "outer", &**text, LONG).await },
                )
            })
            .collect();
        for call in calls {
            assert_eq!(within(call).await.unwrap().unwrap(), 5_001);
        }
        for endpoint in [&one, &two] {
            let left = endpoint.shared.change(|state, _| state.traces_of_calls());
            assert_eq!(left, 0, "traces of calls that are over");
        }
    });
}

#[test]
fn replies_pass_messages_that_nobody_takes() {
    on_both_runtimes(|| async {
        let (_switch, watcher, one, _two) = three();
        let _never_taken = one.messages::<String>("text").unwrap();
        knows(&watcher, worker(1)).await;
        watcher
            .answer("number", async |request: Message<u32>| request.value)
            .unwrap();
        let text = "x".repeat(50_000);
        while !pends(watcher.send(worker(1), "text", &text)).await {}
        let answer: u32 = within(one.call(WATCHER, "number", &3, LONG)).await.unwrap();
        assert_eq!(answer, 3);
    });
}
