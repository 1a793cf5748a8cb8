//! Single rules, one after the other.

use super::super::{Breach, MOST_REMAINS, Switch};
use crate::WorkerId;
use crate::link::DecodeError;
use crate::messages::{Disorder, Frame, Head, Lane, Outcome, Peer, WINDOW};

const LIMIT: u64 = 1 << 20;
const ANN: Peer = Peer::Worker(WorkerId(1));
const BOB: Peer = Peer::Worker(WorkerId(2));
const CYN: Peer = Peer::Worker(WorkerId(3));
const NOBODY: Peer = Peer::Worker(WorkerId(99));

/// A switch at which these workers are attached and have been told of each other.
fn switch_of(workers: &[Peer]) -> Switch {
    let mut switch = Switch::new(LIMIT);
    for worker in workers {
        arrive(&mut switch, *worker);
    }
    for worker in workers {
        assert!(switch.attach(*worker));
    }
    for worker in workers {
        while switch.next(*worker).is_some() {}
    }
    switch.take_woken();
    switch
}

fn arrive(switch: &mut Switch, peer: Peer) {
    if let Peer::Worker(worker) = peer {
        switch.arrive(worker);
    }
}

fn finish(switch: &mut Switch, peer: Peer) {
    if let Peer::Worker(worker) = peer {
        switch.finish(worker);
    }
}

/// A whole message in one frame.
fn message(peer: Peer, event: &str, part: &[u8]) -> Vec<u8> {
    first(peer, event, part.len() as u64, part)
}

fn first(peer: Peer, event: &str, length: u64, part: &[u8]) -> Vec<u8> {
    Frame::First {
        peer,
        head: Head::Message { event },
        length,
        part,
    }
    .encode()
}

fn request(peer: Peer, call: u64) -> Vec<u8> {
    Frame::First {
        peer,
        head: Head::Request { call, event: "e" },
        length: 0,
        part: &[],
    }
    .encode()
}

fn more(peer: Peer, part: &[u8]) -> Vec<u8> {
    let lane = Lane::Messages;
    Frame::More { peer, lane, part }.encode()
}

fn credit(peer: Peer, bytes: u32) -> Vec<u8> {
    let lane = Lane::Messages;
    Frame::Credit { peer, lane, bytes }.encode()
}

fn present(peer: Peer) -> Vec<u8> {
    Frame::Present { peer }.encode()
}

fn gone(peer: Peer) -> Vec<u8> {
    Frame::Gone { peer }.encode()
}

/// All that waits for a peer.
fn heard(switch: &mut Switch, peer: Peer) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| switch.next(peer)).collect()
}

#[test]
fn whoever_attaches_is_told_of_all_workers_that_live_and_of_changes_after_that() {
    let mut switch = Switch::new(LIMIT);
    arrive(&mut switch, ANN);
    arrive(&mut switch, BOB);
    assert!(switch.attach(ANN));
    assert!(!switch.attach(ANN), "nobody attaches twice");
    assert!(!switch.attach(NOBODY));
    let attached = Frame::Attached.encode();
    assert_eq!(heard(&mut switch, ANN), [present(BOB), attached.clone()]);
    arrive(&mut switch, CYN);
    assert!(switch.attach(BOB));
    assert_eq!(heard(&mut switch, ANN), [present(CYN)]);
    finish(&mut switch, CYN);
    finish(&mut switch, BOB);
    let told = heard(&mut switch, ANN);
    assert_eq!(told, [gone(CYN), gone(BOB)]);
    finish(&mut switch, BOB);
    assert!(heard(&mut switch, ANN).is_empty(), "once is enough");
    assert!(switch.attach(Peer::Watcher));
    assert_eq!(heard(&mut switch, Peer::Watcher), [present(ANN), attached]);
    assert!(
        heard(&mut switch, ANN).is_empty(),
        "the watcher is always there"
    );
}

#[test]
fn a_worker_that_comes_and_goes_unheard_of_leaves_nothing() {
    let mut switch = switch_of(&[ANN]);
    arrive(&mut switch, BOB);
    finish(&mut switch, BOB);
    assert!(heard(&mut switch, ANN).is_empty());
}

#[test]
fn frames_arrive_with_their_origin_and_credit_goes_back() {
    let mut switch = switch_of(&[ANN, BOB]);
    let frame = message(BOB, "e", b"1");
    switch.receive(ANN, &frame).unwrap();
    assert_eq!(switch.take_woken(), [BOB]);
    assert_eq!(heard(&mut switch, BOB), [message(ANN, "e", b"1")]);
    switch
        .receive(BOB, &credit(ANN, frame.len() as u32))
        .unwrap();
    assert_eq!(switch.take_woken(), [ANN]);
    assert_eq!(heard(&mut switch, ANN), [credit(BOB, frame.len() as u32)]);
}

#[test]
fn a_worker_can_write_to_itself() {
    let mut switch = switch_of(&[ANN]);
    let frame = message(ANN, "e", b"1");
    switch.receive(ANN, &frame).unwrap();
    let consumed = frame.len() as u32;
    assert_eq!(heard(&mut switch, ANN), [frame]);
    let credit = credit(ANN, consumed);
    switch.receive(ANN, &credit).unwrap();
    assert_eq!(heard(&mut switch, ANN), [credit]);
}

#[test]
fn what_goes_to_somebody_who_uses_no_messages_is_dropped_and_credited() {
    let mut switch = switch_of(&[ANN]);
    arrive(&mut switch, BOB);
    let frame = message(BOB, "e", b"1");
    for destination in [BOB, Peer::Watcher] {
        let frame = message(destination, "e", b"1");
        switch.receive(ANN, &frame).unwrap();
        switch.receive(ANN, &frame).unwrap();
    }
    let twice = frame.len() as u32 * 2;
    let told = heard(&mut switch, ANN);
    let watcher = credit(Peer::Watcher, twice);
    assert_eq!(told, [present(BOB), credit(BOB, twice), watcher]);
}

#[test]
fn the_rest_of_a_message_is_dropped_when_its_receiver_attaches_in_its_midst() {
    let mut switch = switch_of(&[ANN]);
    arrive(&mut switch, BOB);
    switch.receive(ANN, &first(BOB, "e", 2, b"1")).unwrap();
    assert!(switch.attach(BOB));
    switch.receive(ANN, &more(BOB, b"2")).unwrap();
    switch.receive(ANN, &message(BOB, "next", b"3")).unwrap();
    let told = heard(&mut switch, BOB);
    let attached = Frame::Attached.encode();
    assert_eq!(told, [present(ANN), attached, message(ANN, "next", b"3")]);
}

#[test]
fn a_request_to_somebody_who_uses_no_messages_is_answered_at_once() {
    let mut switch = switch_of(&[ANN]);
    switch.receive(ANN, &request(Peer::Watcher, 7)).unwrap();
    let told = heard(&mut switch, ANN);
    let length = request(Peer::Watcher, 7).len() as u32;
    let outcome = Outcome::NobodyAnswers;
    let reply = Frame::First {
        peer: Peer::Watcher,
        head: Head::Reply { call: 7, outcome },
        length: 0,
        part: &[],
    }
    .encode();
    assert_eq!(told, [credit(Peer::Watcher, length), reply.clone()]);
    // The reply is credited, which is nobody's business.
    let consumed = Frame::Credit {
        peer: Peer::Watcher,
        lane: Lane::Replies,
        bytes: reply.len() as u32,
    };
    switch.receive(ANN, &consumed.encode()).unwrap();
    assert!(switch.attach(Peer::Watcher));
    let told = heard(&mut switch, Peer::Watcher);
    assert_eq!(told, [present(ANN), Frame::Attached.encode()]);
}

#[test]
fn a_dead_workers_messages_arrive_before_its_end_is_told() {
    let mut switch = switch_of(&[ANN, BOB]);
    switch.receive(ANN, &message(BOB, "e", b"1")).unwrap();
    finish(&mut switch, ANN);
    let told = heard(&mut switch, BOB);
    assert_eq!(told, [message(ANN, "e", b"1"), gone(ANN)]);
    // It is too late for credit, and for an answer.
    switch.receive(BOB, &credit(ANN, 3)).unwrap();
    switch.receive(BOB, &message(ANN, "e", b"1")).unwrap();
    switch.receive(BOB, &credit(ANN, 3)).unwrap();
    assert_eq!(heard(&mut switch, BOB), [gone(ANN)]);
}

#[test]
fn whoever_writes_to_nobody_is_told_so() {
    let mut switch = switch_of(&[ANN]);
    for _ in 0..3 {
        switch.receive(ANN, &message(NOBODY, "e", b"1")).unwrap();
    }
    assert_eq!(heard(&mut switch, ANN), [gone(NOBODY)]);
}

#[test]
fn a_message_to_somebody_who_comes_to_live_in_its_midst_is_none() {
    let mut switch = switch_of(&[ANN]);
    switch.receive(ANN, &first(BOB, "e", 2, b"1")).unwrap();
    assert_eq!(heard(&mut switch, ANN), [gone(BOB)]);
    arrive(&mut switch, BOB);
    assert!(switch.attach(BOB));
    switch.receive(ANN, &more(BOB, b"2")).unwrap();
    assert_eq!(heard(&mut switch, ANN), [present(BOB)]);
    let told = heard(&mut switch, BOB);
    assert_eq!(told, [present(ANN), Frame::Attached.encode()]);
}

#[test]
fn nothing_is_read_from_one_that_does_not_read_its_answers() {
    let mut switch = switch_of(&[ANN]);
    let mut answered = 0;
    while !switch.is_paused(ANN) {
        let frame = match answered % 2 {
            0 => request(Peer::Watcher, answered),
            _ => message(Peer::Worker(WorkerId(1000 + answered)), "e", b"1"),
        };
        switch.receive(ANN, &frame).unwrap();
        answered += 1;
        assert!(answered < 1000, "nothing bounds its answers");
    }
    assert!(!heard(&mut switch, ANN).is_empty());
    assert!(!switch.is_paused(ANN), "it has read them");
}

#[test]
fn two_who_write_to_one_have_their_turns() {
    let mut switch = switch_of(&[ANN, BOB, CYN]);
    for _ in 0..3 {
        switch
            .receive(ANN, &message(CYN, "long", &[0; 60_000]))
            .unwrap();
    }
    for _ in 0..10 {
        switch.receive(BOB, &message(CYN, "short", b"1")).unwrap();
    }
    let told = heard(&mut switch, CYN);
    let origins = told.iter().map(|frame| match Frame::decode(frame) {
        Ok(Frame::First { peer, .. }) => peer,
        other => panic!("{other:?}"),
    });
    let last_short = origins.rev().position(|origin| origin == BOB).unwrap();
    assert!(
        last_short >= 1,
        "the short ones waited for all of the long ones"
    );
}

#[test]
fn what_breaks_the_rules_costs_the_socket() {
    let check = |frames: &[Vec<u8>], expected: Breach| {
        let mut switch = switch_of(&[ANN, BOB]);
        let (last, before) = frames.split_last().unwrap();
        for frame in before {
            switch.receive(ANN, frame).unwrap();
        }
        assert_eq!(switch.receive(ANN, last), Err(expected));
    };
    check(&[vec![]], DecodeError::Empty.into());
    check(&[gone(BOB)], Breach::OutOfTurn);
    check(&[present(BOB)], Breach::OutOfTurn);
    let begun = first(BOB, "e", 5, b"1");
    let missing = 4;
    check(
        &[begun.clone(), begun.clone()],
        Disorder::Interrupted { missing }.into(),
    );
    check(
        &[begun, more(BOB, b"23456")],
        Disorder::Exceeded { excess: 1 }.into(),
    );
    let (length, limit) = (LIMIT + 1, LIMIT);
    check(
        &[first(BOB, "e", length, b"1")],
        Breach::TooLong { length, limit },
    );
    let excess = 1;
    for to in [BOB, ANN, Peer::Watcher] {
        check(&[credit(to, 1)], Breach::Overcredited { to, excess });
    }
    // To somebody who is there, and to somebody who uses no messages.
    for to in [BOB, Peer::Watcher] {
        let frame = message(to, "e", &[0; 60_000]);
        let excess = frame.len() as u32 * 5 - WINDOW;
        check(&vec![frame; 5], Breach::Overdrawn { to, excess });
    }
}

#[test]
fn only_what_was_delivered_can_be_credited() {
    let mut switch = switch_of(&[ANN, BOB]);
    let frame = message(BOB, "e", b"1");
    let length = frame.len() as u32;
    switch.receive(ANN, &frame).unwrap();
    let excess = length;
    assert_eq!(
        switch.receive(BOB, &credit(ANN, length)),
        Err(Breach::Overcredited { to: ANN, excess })
    );
    assert_eq!(heard(&mut switch, BOB).len(), 1);
    switch.receive(BOB, &credit(ANN, length)).unwrap();
}

#[test]
fn one_that_was_parted_with_is_gone_for_everybody_and_once() {
    let mut switch = switch_of(&[ANN, BOB]);
    switch.receive(ANN, &message(BOB, "e", b"1")).unwrap();
    switch.part(ANN);
    assert_eq!(
        heard(&mut switch, BOB),
        [message(ANN, "e", b"1"), gone(ANN)]
    );
    assert!(!switch.attach(ANN));
    finish(&mut switch, ANN);
    assert!(heard(&mut switch, BOB).is_empty());
    assert!(switch.attach(Peer::Watcher));
    let told = heard(&mut switch, Peer::Watcher);
    assert_eq!(told, [present(BOB), Frame::Attached.encode()]);
}

/// A worker comes, leaves Ann as much as fits into its window, and dies.
fn come_and_go(switch: &mut Switch, worker: WorkerId) {
    let worker = Peer::Worker(worker);
    arrive(switch, worker);
    assert!(switch.attach(worker));
    for _ in 0..4 {
        let frame = message(ANN, "e", &[0; 65_000]);
        switch.receive(worker, &frame).unwrap();
    }
    finish(switch, worker);
}

#[test]
fn what_many_dead_ones_left_to_one_that_does_not_read_is_bounded() {
    let mut switch = switch_of(&[ANN]);
    let each = WINDOW as usize / 4 * 4;
    let count = 3 * MOST_REMAINS / each;
    for number in 0..count as u64 {
        come_and_go(&mut switch, WorkerId(100 + number));
        assert!(switch.waiting_for(ANN) <= MOST_REMAINS);
    }
    assert!(switch.waiting_for(ANN) > MOST_REMAINS / 2, "far too little");
    let told = heard(&mut switch, ANN);
    let farewells = told.iter().filter(|frame| frame[..2] == gone(ANN)[..2]);
    let introductions = told.iter().filter(|frame| frame[..2] == present(ANN)[..2]);
    assert_eq!(farewells.count(), introductions.count());
    assert_eq!(switch.waiting_for(ANN), 0);
}

#[test]
fn many_dead_ones_of_whom_a_peer_was_never_told_leave_nothing_behind() {
    let mut switch = switch_of(&[ANN]);
    let mut most = 0;
    for number in 0..500 {
        come_and_go(&mut switch, WorkerId(100 + number));
        most = most.max(switch.passages_of(ANN));
    }
    assert!(most < 50, "{most} dead ones are remembered");
    heard(&mut switch, ANN);
    assert_eq!(switch.passages_of(ANN), 0);
}

#[test]
fn short_frames_of_dead_ones_count_as_what_they_take() {
    let mut switch = switch_of(&[ANN]);
    let frame = message(ANN, "e", b"");
    for number in 0..50 {
        let worker = Peer::Worker(WorkerId(100 + number));
        arrive(&mut switch, worker);
        assert!(switch.attach(worker));
        for _ in 0..WINDOW as usize / frame.len() {
            switch.receive(worker, &frame).unwrap();
        }
        finish(&mut switch, worker);
    }
    let frames = switch.waiting_for(ANN) / frame.len();
    let mark = 2; // each has one before it
    assert!(frames * (frame.len() + mark) <= MOST_REMAINS);
    assert!(frames * frame.len() > MOST_REMAINS / 2, "far too little");
}

#[test]
fn whoever_comes_is_told_of_before_what_others_go_on_to_say() {
    let mut switch = switch_of(&[ANN, BOB]);
    for _ in 0..2 {
        switch.receive(ANN, &message(BOB, "e", b"1")).unwrap();
    }
    assert_eq!(switch.next(BOB), Some(message(ANN, "e", b"1")));
    arrive(&mut switch, CYN);
    switch
        .receive(ANN, &message(BOB, "write to 3", b""))
        .unwrap();
    assert_eq!(switch.take_woken(), [BOB, ANN]);
    let told = heard(&mut switch, BOB);
    let rest = [message(ANN, "e", b"1"), message(ANN, "write to 3", b"")];
    assert_eq!(told[0], present(CYN));
    assert_eq!(told[1..], rest);
}

#[test]
fn the_application_knows_who_comes_and_hears_who_goes() {
    let mut switch = switch_of(&[ANN]);
    assert!(!switch.arrive(WorkerId(2)), "it is not attached");
    assert!(switch.attach(Peer::Watcher));
    assert!(switch.arrive(WorkerId(3)));
    let attached = Frame::Attached.encode();
    let told = heard(&mut switch, Peer::Watcher);
    assert_eq!(told, [present(ANN), present(BOB), attached]);
    finish(&mut switch, CYN);
    assert_eq!(heard(&mut switch, Peer::Watcher), [gone(CYN)]);
}
