//! Many peers send at random, some are slow, some give up, some die: what arrives is whole, once, and in its order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::harness::{LONG, Switch, WATCHER, knows, on_both_runtimes, within, worker};
use crate::messages::{CallError, Endpoint, Message, Messages, Peer, SendError};
use crate::random::Random;

const PEERS: u64 = 6;

/// A number that grows with each message from one sender to one receiver, and a text that follows from it.
#[derive(Debug, Serialize, Deserialize)]
struct Numbered {
    number: u64,
    text: String,
}

fn numbered(number: u64, length: usize) -> Numbered {
    let letter = char::from(b'a' + (number % 26) as u8);
    let text = std::iter::repeat_n(letter, length).collect();
    Numbered { number, text }
}

fn length(random: &mut Random) -> usize {
    let most = match random.below(40) {
        0 => 1_000_000,
        1..4 => 300_000,
        4..10 => 70_000,
        10..20 => 1_000,
        _ => 10,
    };
    random.below(most) as usize
}

/// The numbers that came, by who sent them.
type Came = Arc<Mutex<BTreeMap<(Peer, Peer), Vec<u64>>>>;

/// The numbers of what was sent for sure, with who sent it to whom.
type Sent = Vec<((Peer, Peer), u64)>;

async fn take_all(mut messages: Messages<Numbered>, own: Peer, came: Came, mut random: Random) {
    while let Some(message) = messages.next().await {
        let Message { from, value } = message.unwrap();
        assert!(
            value
                .text
                .bytes()
                .all(|it| u64::from(it - b'a') == value.number % 26)
        );
        came.lock()
            .unwrap()
            .entry((from, own))
            .or_default()
            .push(value.number);
        if random.below(20) == 0 {
            tokio::time::sleep(Duration::from_millis(random.below(5))).await;
        }
    }
}

/// Sends for a while and tells the numbers of what was sent for sure, by receiver.
async fn send_some(
    endpoint: Endpoint,
    own: Peer,
    everybody: Vec<Peer>,
    mut random: Random,
) -> Sent {
    let mut sent = Vec::new();
    for number in 0..40 {
        let to = everybody[random.below(everybody.len() as u64) as usize];
        let value = numbered(number, length(&mut random));
        let sending = endpoint.send(to, "numbered", &value);
        let patience = match random.below(8) {
            0 => Duration::from_micros(random.below(500)),
            _ => LONG,
        };
        match tokio::time::timeout(patience, sending).await {
            Ok(Ok(())) => sent.push(((own, to), number)),
            Err(_) | Ok(Err(SendError::WorkerGone(_))) => {}
            Ok(Err(SendError::WatcherGone)) => break, // it is the one that was killed
            Ok(Err(error)) => panic!("{error}"),
        }
        if random.below(6) == 0 {
            let value = numbered(number, length(&mut random));
            match endpoint.call::<_, u64>(to, "length", &value, LONG).await {
                Ok(length) => assert_eq!(length, value.text.len() as u64),
                Err(CallError::WorkerGone(_) | CallError::WatcherGone) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    sent
}

async fn run(seed: u64) {
    let switch = Switch::default();
    let everybody: Vec<Peer> = (0..PEERS).map(Peer::from_number).collect();
    let endpoints: Vec<Endpoint> = everybody.iter().map(|peer| switch.attach(*peer)).collect();
    let came = Came::default();
    let (mut taking, mut sending) = (JoinSet::new(), JoinSet::new());
    for (endpoint, own) in endpoints.iter().zip(&everybody) {
        endpoint
            .answer("length", async |request: Message<Numbered>| {
                request.value.text.len() as u64
            })
            .unwrap();
        let random = Random(seed ^ own.number());
        let messages = endpoint.messages::<Numbered>("numbered").unwrap();
        taking.spawn(take_all(messages, *own, Arc::clone(&came), random));
        for other in &everybody {
            knows(endpoint, *other).await;
        }
    }
    for (endpoint, own) in endpoints.iter().zip(&everybody) {
        let random = Random(seed ^ (own.number() << 32));
        sending.spawn(send_some(endpoint.clone(), *own, everybody.clone(), random));
    }
    let victim = worker(1 + Random(seed).below(PEERS - 1));
    tokio::time::sleep(Duration::from_millis(seed % 40)).await;
    switch.kill(victim).await;
    let mut sent = Vec::new();
    while let Some(some) = within(sending.join_next()).await {
        sent.extend(some.unwrap());
    }
    within(ask_everybody(&endpoints[0], &everybody, victim)).await;
    sent.retain(|((from, to), _)| *from != victim && *to != victim);
    // It lies where it was sent to, but whoever takes it may be slow.
    let deadline = Instant::now() + LONG;
    while first_missing(&sent, &came).is_some() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(first_missing(&sent, &came), None);
    taking.abort_all();
    while taking.join_next().await.is_some_and(|ended| match ended {
        Ok(()) => true,
        Err(error) => error.is_cancelled() || panic!("{error}"),
    }) {}
    let came = came.lock().unwrap();
    for ((from, to), numbers) in &*came {
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "{from} to {to}: {numbers:?}"
        );
    }
}

/// One that was sent and has not been taken.
fn first_missing(sent: &Sent, came: &Came) -> Option<((Peer, Peer), u64)> {
    let came = came.lock().unwrap();
    let is_there = |(way, number): &((Peer, Peer), u64)| {
        let numbers = came.get(way);
        numbers.is_some_and(|numbers| numbers.contains(number))
    };
    sent.iter().find(|one| !is_there(one)).copied()
}

/// Whoever answers this has got what was sent to it before, except for what it has not taken yet.
async fn ask_everybody(watcher: &Endpoint, everybody: &[Peer], victim: Peer) {
    for peer in everybody.iter().filter(|peer| **peer != victim) {
        let value = numbered(0, 5);
        let length: u64 = watcher.call(*peer, "length", &value, LONG).await.unwrap();
        assert_eq!(length, 5);
    }
    let _ = WATCHER;
}

#[test]
fn what_arrives_is_whole_once_and_in_its_order() {
    for seed in 1..=2 {
        println!("seed {seed}");
        on_both_runtimes(|| run(seed * 0x9e37_79b9));
    }
}
