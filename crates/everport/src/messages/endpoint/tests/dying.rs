//! What becomes of messages and calls when a peer dies.

use std::sync::Arc;

use tokio::sync::Notify;

use super::harness::{
    LONG, WATCHER, knows, on_both_runtimes, pends, three, until, use_up, within, worker,
};
use crate::WorkerId;
use crate::messages::{CallError, Message, SendError};

#[test]
fn what_a_peer_had_sent_before_it_died_arrives() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut numbers = watcher.messages::<u32>("number").unwrap();
        for number in 0..500_u32 {
            one.send(WATCHER, "number", &number).await.unwrap();
        }
        switch.kill(worker(1)).await;
        for number in 0..500 {
            assert_eq!(within(numbers.next()).await.unwrap().unwrap().value, number);
        }
    });
}

#[test]
fn half_a_message_of_who_died_is_none() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, two) = three();
        let mut texts = watcher.messages::<String>("text").unwrap();
        let untaken = "x".repeat(120_000);
        one.send(WATCHER, "text", &untaken).await.unwrap();
        one.send(WATCHER, "text", &untaken).await.unwrap();
        // The window lets only a part of this through.
        assert!(pends(one.send(WATCHER, "text", &"y".repeat(1_000_000))).await);
        switch.kill(worker(1)).await;
        for _ in 0..2 {
            assert!(within(texts.next()).await.unwrap().unwrap().value == untaken);
        }
        two.send(WATCHER, "text", "of two").await.unwrap();
        let message = within(texts.next()).await.unwrap().unwrap();
        assert_eq!(message.value, "of two");
    });
}

#[test]
fn whoever_waits_for_the_dead_learns_it_at_once() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, two) = three();
        let _never_taken = one.messages::<String>("text").unwrap();
        one.answer("never", async |_: Message<()>| {
            std::future::pending::<()>().await;
        })
        .unwrap();
        knows(&two, worker(1)).await;
        knows(&watcher, worker(1)).await;
        let sender = two.clone();
        let sending = tokio::spawn(async move {
            let text = "x".repeat(50_000);
            loop {
                sender.send(worker(1), "text", &text).await?;
            }
            #[expect(unreachable_code, reason = "it says what the loop returns")]
            Ok::<(), SendError>(())
        });
        let caller = watcher.clone();
        let call = async move { caller.call::<_, ()>(worker(1), "never", &(), LONG).await };
        let calling = tokio::spawn(call);
        until(|| two.shared.change(|state, _| state.waiting(worker(1))) > 0).await;
        until(|| watcher.shared.change(|state, _| state.traces_of_calls()) > 0).await;
        switch.kill(worker(1)).await;
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(
            matches!(error, SendError::WorkerGone(WorkerId(1))),
            "{error}"
        );
        let error = within(calling).await.unwrap().unwrap_err();
        assert!(
            matches!(error, CallError::WorkerGone(WorkerId(1))),
            "{error}"
        );
    });
}

#[test]
fn the_dead_and_those_who_never_were_cannot_be_written_to() {
    on_both_runtimes(|| async {
        let (switch, watcher, _one, two) = three();
        knows(&two, worker(1)).await;
        switch.kill(worker(1)).await;
        until(|| !two.shared.change(|state, _| state.is_there(worker(1)))).await;
        for id in [1, 99, 0] {
            let error = two.send(worker(id), "text", "?").await.unwrap_err();
            assert!(
                matches!(error, SendError::WorkerGone(it) if it.0 == id),
                "{error}"
            );
            let error = two
                .call::<_, ()>(worker(id), "text", "?", LONG)
                .await
                .unwrap_err();
            assert!(
                matches!(error, CallError::WorkerGone(it) if it.0 == id),
                "{error}"
            );
        }
        let left = two.shared.change(|state, _| state.traces_of_calls());
        assert_eq!(left, 0, "traces of calls");
        drop(watcher);
    });
}

#[test]
fn a_broadcast_passes_over_who_dies_meanwhile() {
    on_both_runtimes(|| async {
        let (switch, _watcher, one, two) = three();
        let _never_taken = two.messages::<String>("text").unwrap();
        knows(&one, worker(2)).await;
        use_up(&one, worker(2)).await;
        let sender = one.clone();
        let broadcasting = tokio::spawn(async move { sender.broadcast("text", "for all").await });
        until(|| one.shared.change(|state, _| state.waiting(worker(2))) > 0).await;
        switch.kill(worker(2)).await;
        within(broadcasting).await.unwrap().unwrap();
    });
}

#[test]
fn an_answer_to_who_died_is_dropped_and_others_are_answered() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, two) = three();
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tells, waits) = (Arc::clone(&asked), Arc::clone(&go));
        watcher
            .answer("slow", move |request: Message<u32>| {
                let (tells, waits) = (Arc::clone(&tells), Arc::clone(&waits));
                async move {
                    if request.from == worker(1) {
                        tells.notify_one();
                        waits.notified().await;
                    }
                    request.value
                }
            })
            .unwrap();
        let caller = one.clone();
        let calling =
            tokio::spawn(async move { caller.call::<_, u32>(WATCHER, "slow", &1, LONG).await });
        within(asked.notified()).await;
        switch.kill(worker(1)).await;
        let error = within(calling).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::WatcherGone), "{error}");
        go.notify_one();
        let answer: u32 = within(two.call(WATCHER, "slow", &2, LONG)).await.unwrap();
        assert_eq!(answer, 2);
    });
}

#[test]
fn what_the_application_had_sent_is_taken_after_its_end_and_nothing_is_sent_to_it() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, two) = three();
        let mut texts = one.messages::<String>("text").unwrap();
        knows(&watcher, worker(1)).await;
        knows(&two, worker(1)).await;
        let text = "x".repeat(50_000);
        for _ in 0..4 {
            within(watcher.send(worker(1), "text", &text))
                .await
                .unwrap();
        }
        let gone = crate::messages::Frame::Gone { peer: WATCHER };
        super::harness::until(|| switch.passed().0 == 4).await;
        switch.say(worker(1), &gone.encode());
        // What comes after it is there when it has been read.
        let is_there = || one.shared.change(|state, _| state.is_there(WATCHER));
        super::harness::until(|| !is_there()).await;
        let sent = within(one.send(WATCHER, "text", "late")).await;
        assert!(matches!(sent, Err(SendError::WatcherGone)), "{sent:?}");
        for _ in 0..4 {
            assert_eq!(within(texts.next()).await.unwrap().unwrap().value, text);
        }
        within(two.send(worker(1), "text", "alive")).await.unwrap();
        assert_eq!(within(texts.next()).await.unwrap().unwrap().value, "alive");
    });
}
