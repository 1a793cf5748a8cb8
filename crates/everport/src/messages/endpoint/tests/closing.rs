//! The end of an endpoint: everybody who waits learns it, and what came before is delivered.

use super::harness::{
    LIMIT, LONG, WATCHER, on_both_runtimes, pends, three, unopenable, unopened, until, use_up,
    within, worker,
};
use crate::link::pair;
use crate::messages::endpoint::Closed;
use crate::messages::{CallError, Message, SendError};

#[test]
fn everything_fails_when_the_watcher_is_gone() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let _never_taken = watcher.messages::<String>("text").unwrap();
        watcher
            .answer("never", async |_: Message<()>| {
                std::future::pending::<()>().await;
            })
            .unwrap();
        let mut own = one.messages::<String>("text").unwrap();
        use_up(&one, WATCHER).await;
        let sender = one.clone();
        let sending = tokio::spawn(async move { sender.send(WATCHER, "text", "late").await });
        let sender = one.clone();
        let broadcasting = tokio::spawn(async move { sender.broadcast("text", "late").await });
        let caller = one.clone();
        let call = async move { caller.call::<_, ()>(WATCHER, "never", &(), LONG).await };
        let calling = tokio::spawn(call);
        until(|| one.shared.change(|state, _| state.waiting(WATCHER)) == 2).await;
        within(broadcasting).await.unwrap().unwrap();
        switch.kill(worker(1)).await;
        assert!(within(own.next()).await.is_none());
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        let error = within(calling).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::WatcherGone), "{error}");
        let error = one.send(WATCHER, "text", "later").await.unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        let error = one.broadcast("text", "later").await.unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        let mut late = one.messages::<String>("late").unwrap();
        assert!(within(late.next()).await.is_none());
    });
}

#[test]
fn what_came_before_the_end_is_delivered() {
    on_both_runtimes(|| async {
        let (switch, watcher, one, _two) = three();
        let mut numbers = one.messages::<u32>("number").unwrap();
        super::harness::knows(&watcher, worker(1)).await;
        for number in 0..100_u32 {
            watcher.send(worker(1), "number", &number).await.unwrap();
        }
        let arrived = || switch.passed().0 == 100;
        until(arrived).await;
        switch.kill(worker(1)).await;
        for number in 0..100 {
            assert_eq!(within(numbers.next()).await.unwrap().unwrap().value, number);
        }
        assert!(within(numbers.next()).await.is_none());
    });
}

#[test]
fn a_sender_that_sees_the_end_first_loses_nothing_that_came() {
    on_both_runtimes(|| async {
        let one = unopened(worker(1));
        let mut numbers = one.messages::<u32>("number").unwrap();
        let (ours, theirs) = pair().unwrap();
        let said = [
            crate::messages::Frame::Attached.encode(),
            super::hostile::message(worker(2), "number", b"7"),
        ];
        // What we do not read of it makes the other end see a reset before what we had sent.
        rustix::net::send(&theirs, b"unread", rustix::net::SendFlags::empty()).unwrap();
        for frame in said {
            rustix::net::send(&ours, &frame, rustix::net::SendFlags::empty()).unwrap();
        }
        drop(ours);
        one.open(theirs, LIMIT);
        assert_eq!(within(numbers.next()).await.unwrap().unwrap().value, 7);
        assert!(within(numbers.next()).await.is_none());
    });
}

#[test]
fn an_endpoint_without_a_socket_says_why() {
    on_both_runtimes(|| async {
        let one = unopened(worker(1));
        let sender = one.clone();
        let sending = tokio::spawn(async move { sender.send(WATCHER, "text", "?").await });
        let mut texts = one.messages::<String>("text").unwrap();
        assert!(pends(texts.next()).await);
        one.refuse("it rains");
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("it rains"), "{error}");
        assert!(within(texts.next()).await.is_none());
        let gone = unopenable(Closed::WatcherGone);
        let error = gone.send(WATCHER, "text", "?").await.unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        let waiting = unopened(worker(1));
        waiting.give_up_waiting();
        let error = waiting.call::<_, ()>(WATCHER, "text", "?", LONG).await;
        assert!(matches!(error, Err(CallError::WatcherGone)));
    });
}

#[test]
fn an_endpoint_whose_runtime_hangs_is_closed_when_its_worker_is_over() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (hangs, lives) = (runtime(), runtime());
    let (_ours, theirs) = pair().unwrap();
    // From here on nobody drives it.
    let one = hangs.block_on(async {
        let one = unopened(worker(1));
        one.request_socket();
        one.open(theirs, LIMIT);
        one
    });
    lives.block_on(async {
        let sender = one.clone();
        let sending = tokio::spawn(async move { sender.send(WATCHER, "text", "?").await });
        let mut texts = one.messages::<String>("text").unwrap();
        one.give_up_waiting();
        assert!(pends(texts.next()).await, "it is open");
        one.end();
        assert!(within(texts.next()).await.is_none());
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        let called = one.call::<_, ()>(WATCHER, "text", "?", LONG).await;
        assert!(matches!(called, Err(CallError::WatcherGone)));
    });
}

#[test]
fn an_endpoint_whose_runtime_ends_is_closed() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (ends, stays) = (runtime(), runtime());
    let (ours, theirs) = pair().unwrap();
    let one = ends.block_on(async {
        let one = unopened(worker(1));
        one.request_socket();
        one.open(theirs, LIMIT);
        one
    });
    drop(ends);
    stays.block_on(async {
        let error = within(one.send(WATCHER, "text", "?")).await.unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
    });
    drop(ours);
}
