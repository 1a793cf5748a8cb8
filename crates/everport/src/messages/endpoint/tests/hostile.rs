//! Nonsense on the socket closes the endpoint, and nothing else happens.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::harness::{
    LIMIT, Switch, WATCHER, knows, on_both_runtimes, unopened, until, within, worker,
};
use crate::messages::{Frame, Head, KEPT, LONGEST_FRAME, Lane, Outcome, Peer, SendError, WINDOW};

/// The frame of a short message.
pub(super) fn message(from: Peer, event: &str, body: &[u8]) -> Vec<u8> {
    first(from, Head::Message { event }, body.len() as u64, body)
}

fn first(peer: Peer, head: Head<'_>, length: u64, part: &[u8]) -> Vec<u8> {
    let frame = Frame::First {
        peer,
        head,
        length,
        part,
    };
    frame.encode()
}

fn more(peer: Peer, part: &[u8]) -> Vec<u8> {
    let lane = Lane::Messages;
    Frame::More { peer, lane, part }.encode()
}

fn credit(peer: Peer, bytes: u32) -> Vec<u8> {
    let lane = Lane::Messages;
    Frame::Credit { peer, lane, bytes }.encode()
}

#[test]
fn answers_that_the_watcher_gave_for_a_peer_take_nothing_of_the_window_of_that_peer() {
    on_both_runtimes(|| async {
        let endpoint = unopened(worker(1));
        endpoint.request_socket();
        let (ours, theirs) = crate::link::pair().unwrap();
        endpoint.open(theirs, LIMIT);
        say(&ours, &Frame::Present { peer: worker(2) }.encode()).await;
        say(&ours, &Frame::Present { peer: worker(3) }.encode()).await;
        say(&ours, &Frame::Attached.encode()).await;
        knows(&endpoint, worker(3)).await;
        let outcome = Outcome::NobodyAnswers;
        let answer = first(worker(2), Head::Reply { call: 1, outcome }, 0, b"");
        say(&ours, &answer).await;
        // Nobody reads for a while, so it can credit nothing.
        let other = endpoint.clone();
        let sending = tokio::spawn(async move {
            let long = "x".repeat(WINDOW as usize);
            // The socket takes more than one window.
            let to_another = other.send(worker(3), "text", &long);
            let _never_sent = tokio::join!(to_another, other.send(WATCHER, "text", &long));
        });
        until(|| endpoint.shared.change(|state, _| state.is_blocked)).await;
        // Worker 2 has begun to use messages, and its reply takes a whole window.
        let outcome = Outcome::Answered;
        let head = Head::Reply { call: 2, outcome };
        let room = LONGEST_FRAME - first(worker(2), head, 0, b"").len();
        let part = vec![b'x'; room];
        say(&ours, &first(worker(2), head, 1 << 20, &part)).await;
        let (peer, lane) = (worker(2), Lane::Replies);
        let part = &[b'x'; LONGEST_FRAME - 11];
        for _ in 0..3 {
            say(&ours, &Frame::More { peer, lane, part }.encode()).await;
        }
        say(&ours, &Frame::Present { peer: worker(4) }.encode()).await;
        knows(&endpoint, worker(4)).await;
        sending.abort();
    });
}

/// Sends a frame to an endpoint without a switch.
async fn say(end: &OwnedFd, frame: &[u8]) {
    within(async {
        while let Err(error) = rustix::net::send(end, frame, SendFlags::NOSIGNAL) {
            assert_eq!(error, Errno::AGAIN);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// An endpoint is told these, after what is usual.
async fn hears(frames: &[Vec<u8>]) -> Result<(), SendError> {
    let switch = Switch::default();
    let one = switch.attach(worker(1));
    let _never_taken = one.messages::<String>("text").unwrap();
    one.send(worker(1), "text", "before").await.unwrap();
    for frame in frames {
        switch.say(worker(1), frame);
    }
    // What comes after it says whether it still listens.
    switch.say(worker(1), &Frame::Present { peer: worker(77) }.encode());
    within(async {
        loop {
            match one.send(worker(77), "nothing", "?").await {
                Err(SendError::WorkerGone(_)) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    })
    .await
}

#[test]
fn what_is_no_frame_closes_the_endpoint() {
    on_both_runtimes(|| async {
        let two = worker(2);
        let begun = first(two, Head::Message { event: "text" }, 10, b"12345");
        let nonsense = [
            vec![vec![0]],
            vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()],
            vec![vec![b'x'; LONGEST_FRAME]],
            vec![begun.clone(), begun.clone()],
            vec![begun, more(two, b"1234567")],
            vec![credit(worker(1), WINDOW)],
            (0..5)
                .map(|_| message(two, "text", &[b'x'; 60_000]))
                .collect(),
        ];
        for frames in nonsense {
            let error = hears(&frames).await.unwrap_err();
            let shown: Vec<_> = frames.iter().map(|it| &it[..it.len().min(20)]).collect();
            assert!(
                matches!(error, SendError::WatcherGone),
                "{error} for {shown:?}"
            );
        }
    });
}

#[test]
fn what_is_merely_odd_changes_nothing() {
    on_both_runtimes(|| async {
        let two = worker(2);
        let reply = Head::Reply {
            call: 99,
            outcome: Outcome::Answered,
        };
        let too_long = u64::from(LIMIT) + 1;
        let odd = [
            vec![more(two, b"of what began before")],
            vec![credit(two, 7)],
            vec![first(two, reply, 1, b"1")],
            vec![first(two, Head::Message { event: "text" }, too_long, b"1")],
            vec![first(two, Head::Message { event: "text" }, u64::MAX, b"1")],
            vec![Frame::Gone { peer: two }.encode(); 2],
            vec![Frame::Gone { peer: WATCHER }.encode()],
            vec![Frame::Present { peer: WATCHER }.encode()],
            vec![Frame::Present { peer: worker(1) }.encode()],
            vec![Frame::Attached.encode()],
            vec![message(two, "text", b"no JSON"), message(two, "\0", b"")],
            // Windows of what nobody wants, one after the other, are credited.
            vec![message(two, "nothing", &[b'x'; 60_000]); 100],
            vec![message(two, "text", &vec![b'x'; KEPT as usize / 4]); 4],
        ];
        for frames in odd {
            let shown: Vec<_> = frames.iter().map(|it| &it[..it.len().min(20)]).collect();
            hears(&frames)
                .await
                .unwrap_or_else(|error| panic!("{error} for {shown:?}"));
        }
    });
}

#[test]
fn whoever_takes_no_answers_gets_no_more_than_his_window() {
    on_both_runtimes(|| async {
        let switch = Switch::default();
        let one = switch.attach(worker(1));
        one.send(worker(1), "text", "before").await.unwrap();
        let request = first(
            worker(2),
            Head::Request {
                call: 1,
                event: "nothing",
            },
            0,
            b"",
        );
        // It is there, so that its answers are sent, and takes none of them.
        let _unread = switch.socket(worker(2));
        // Nobody credits the replies, and whoever asks does not care about its own window.
        for _ in 0..=WINDOW as usize / request.len() * 3 {
            switch.say(worker(1), &request);
        }
        let error = within(async {
            loop {
                if let Err(error) = one.send(worker(1), "text", "?").await {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(matches!(error, SendError::WatcherGone), "{error}");
    });
}

#[test]
fn random_noise_panics_nobody() {
    let mut random = crate::random::Random(0x006e_6f69_7365);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        for _ in 0..2_000 {
            let endpoint = unopened(worker(1));
            let _subscription = endpoint.messages::<String>("a").unwrap();
            endpoint
                .answer("b", async |request: crate::messages::Message<u32>| {
                    request.value
                })
                .unwrap();
            for _ in 0..random.below(20) {
                let mut frame = noise(&mut random);
                if random.below(4) == 0 && !frame.is_empty() {
                    let at = random.below(frame.len() as u64) as usize;
                    frame[at] ^= 1 << random.below(8);
                }
                let shared = &endpoint.shared;
                if shared
                    .change(|state, wakes| state.accept(&frame, wakes))
                    .is_err()
                {
                    break;
                }
            }
        }
    });
}

fn noise(random: &mut crate::random::Random) -> Vec<u8> {
    let peer = Peer::from_number(random.below(3));
    let event = ["a", "b", "c"][random.below(3) as usize];
    let call = random.below(3);
    let part = vec![b'7'; random.below(50) as usize];
    let head = match random.below(3) {
        0 => Head::Message { event },
        1 => Head::Request { call, event },
        _ => Head::Reply {
            call,
            outcome: Outcome::Answered,
        },
    };
    match random.below(8) {
        0 => Frame::Gone { peer }.encode(),
        1 => Frame::Present { peer }.encode(),
        2 => credit(peer, random.below(u64::from(WINDOW)) as u32 + 1),
        3 => Frame::Attached.encode(),
        4 if !part.is_empty() => more(peer, &part),
        _ if part.is_empty() => first(peer, head, 0, b""),
        _ => first(peer, head, part.len() as u64 + random.below(60), &part),
    }
}
