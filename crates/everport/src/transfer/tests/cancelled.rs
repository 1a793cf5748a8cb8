//! Futures that are dropped: nothing is lost, doubled or left open.

use std::pin::pin;
use std::task::Poll;

use super::{Witness, frame_of, send_raw};
use crate::random::Random;
use crate::transfer::{self, Receiver, Sender};

/// Polls a future so many times at most, and then drops it.
async fn poll_times<T>(times: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        // The runtime learns here what has become ready.
        tokio::task::yield_now().await;
    }
    None
}

/// Data that say which ones they are.
fn data_of(index: u64, seed: u64) -> Vec<u8> {
    let mut random = Random(seed ^ (index << 32));
    let length = [0, 9, 3_000, 65_528][random.below(4) as usize];
    let mut data = index.to_le_bytes().to_vec();
    data.resize(8 + length, index as u8);
    data
}

/// Sends all of them, giving up again and again.
async fn send_impatiently(mut sender: Sender, count: u64, seed: u64) {
    let mut random = Random(seed);
    let (socket, mut witness) = Witness::of_a_socket();
    while sender.sent() < count {
        let index = sender.sent();
        let data = data_of(index, seed);
        let sent = poll_times(random.below(4), sender.send(&socket, &data)).await;
        match sent {
            Some(sent) => {
                sent.unwrap();
                assert_eq!(sender.sent(), index + 1);
            }
            // It was sent, or it was not; which of both is known.
            None => assert!(sender.sent() == index || sender.sent() == index + 1),
        }
    }
    sender.flush().await.unwrap();
    witness.expect_open();
}

/// Receives all of them, giving up again and again.
async fn receive_impatiently(mut receiver: Receiver, seed: u64) -> u64 {
    let mut random = Random(!seed);
    let mut count = 0;
    loop {
        match poll_times(random.below(4), receiver.receive()).await {
            None => tokio::task::yield_now().await,
            Some(received) => match received.unwrap() {
                Some(received) => {
                    assert!(received.data == data_of(count, seed), "number {count}");
                    count += 1;
                }
                None => return count,
            },
        }
    }
}

#[tokio::test]
async fn everything_arrives_once_and_in_order_however_often_both_sides_give_up() {
    for seed in 0..20 {
        println!("seed {seed}");
        let (sender, receiver) = transfer::pair().unwrap();
        let (sent, received) = (
            send_impatiently(sender, 200, seed),
            receive_impatiently(receiver, seed),
        );
        let ((), count) = tokio::join!(sent, received);
        assert_eq!(count, 200);
    }
}

#[tokio::test]
async fn a_send_that_waits_for_room_and_is_dropped_has_sent_nothing() {
    let (mut sender, mut receiver) = transfer::pair().unwrap();
    let (socket, _witness) = Witness::of_a_socket();
    let mut sent = 0;
    while poll_times(3, sender.send(&socket, b"")).await.is_some() {
        sent += 1;
        assert!(sent < 100_000, "it is not bounded");
    }
    assert_eq!(sender.sent(), sent);
    sender.flush().await.unwrap();
    drop(sender);
    for _ in 0..sent {
        receiver.receive().await.unwrap().unwrap();
    }
    assert!(receiver.receive().await.unwrap().is_none());
}

#[tokio::test]
async fn the_rest_of_a_dropped_send_goes_out_with_the_next_one_or_with_a_flush() {
    for flush in [true, false] {
        let (sender, receiver) = transfer::pair().unwrap();
        let (mut sender, mut receiver) = (sender.limit(1 << 20), receiver.limit(1 << 20));
        let (socket, mut witness) = Witness::of_a_socket();
        let long = vec![1; 1 << 20];
        // By value: what is sent needs its copy here no more.
        assert!(poll_times(3, sender.send(socket, &long)).await.is_none());
        assert_eq!(sender.sent(), 1);
        witness.expect_open();
        let (next, _witness) = Witness::of_a_socket();
        let go_on = async {
            if flush {
                sender.flush().await.unwrap();
            }
            sender.send(next, b"next").await.unwrap();
        };
        let receive = async {
            assert!(receiver.receive().await.unwrap().unwrap().data == long);
            assert_eq!(receiver.receive().await.unwrap().unwrap().data, b"next");
        };
        tokio::join!(go_on, receive);
        witness.expect_closed();
    }
}

#[tokio::test]
async fn a_receive_that_is_dropped_within_a_frame_goes_on_there() {
    let (sending, stream) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut receiver = Receiver::from_std(stream).unwrap();
    let (socket, mut witness) = Witness::of_a_socket();
    let frame = frame_of(b"data");
    for (index, byte) in frame.iter().enumerate() {
        let descriptors: &[_] = match index {
            0 => &[std::os::fd::AsFd::as_fd(&socket)],
            _ => &[],
        };
        assert!(poll_times(3, receiver.receive()).await.is_none());
        send_raw(&sending, &[*byte], descriptors);
    }
    assert_eq!(receiver.receive().await.unwrap().unwrap().data, b"data");
    // What is there of a frame goes with the receiver.
    send_raw(&sending, &frame[..5], &[std::os::fd::AsFd::as_fd(&socket)]);
    assert!(poll_times(3, receiver.receive()).await.is_none());
    drop((receiver, socket));
    witness.expect_closed();
}
