//! The bytes of every frame, written down: they may never change within a protocol version.

use everport_core::WorkerId;

use crate::link::DecodeError;
use crate::messages::frame::Disorder;
use crate::messages::{Frame, Head, LONGEST_FRAME, Lane, Outcome, Peer, Progress, readdress};

/// The bytes of a hexadecimal text in which blanks separate the fields.
fn bytes(golden: &str) -> Vec<u8> {
    let digits: Vec<u8> = golden.bytes().filter(|byte| *byte != b' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn check(frame: &Frame<'_>, golden: &str) {
    let golden = bytes(golden);
    assert_eq!(frame.encode(), golden, "{frame:?}");
    assert_eq!(Frame::decode(&golden).as_ref(), Ok(frame));
}

const WORKER: Peer = Peer::Worker(WorkerId(258));

#[test]
fn messages_have_these_bytes() {
    let first = |head, length, part| Frame::First {
        peer: WORKER,
        head,
        length,
        part,
    };
    let message = Head::Message { event: "é" };
    check(
        &first(message, 3, b"123"),
        "0100 0201000000000000 00 01 02 c3a9 0300000000000000 313233",
    );
    let request = Head::Request {
        call: 5,
        event: "a",
    };
    check(
        &first(request, 0x1_0000, b"1"),
        "0100 0201000000000000 00 02 0500000000000000 01 61 0000010000000000 31",
    );
    let outcomes = [
        Outcome::Answered,
        Outcome::NobodyAnswers,
        Outcome::Panicked,
        Outcome::Misunderstood,
        Outcome::Unsendable,
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        check(
            &first(Head::Reply { call: 6, outcome }, 0, b""),
            &format!("0100 0201000000000000 01 03 0600000000000000 {number:02x} 0000000000000000"),
        );
    }
    let more = Frame::More {
        peer: Peer::Watcher,
        lane: Lane::Replies,
        part: b"abc",
    };
    check(&more, "0200 0000000000000000 01 616263");
}

#[test]
fn everything_else_has_these_bytes() {
    let credit = Frame::Credit {
        peer: WORKER,
        lane: Lane::Messages,
        bytes: 7,
    };
    check(&credit, "0300 0201000000000000 00 07000000");
    check(&Frame::Present { peer: WORKER }, "0101 0201000000000000");
    check(&Frame::Gone { peer: WORKER }, "0201 0201000000000000");
    check(&Frame::Attached, "0301");
}

#[test]
fn what_arrives_is_exactly_a_frame_or_an_error() {
    fn check(golden: &str, error: DecodeError) {
        assert_eq!(Frame::decode(&bytes(golden)), Err(error), "{golden}");
    }
    let meaningless = DecodeError::Meaningless;
    check("", DecodeError::Empty);
    check("01", DecodeError::Truncated("kind"));
    check("0000", DecodeError::UnknownKind(0));
    check("0400 0000000000000000", DecodeError::UnknownKind(4));
    check(
        "0301 00",
        DecodeError::Trailing {
            kind: 0x103,
            count: 1,
        },
    );
    check("0300 00", DecodeError::Truncated("peer"));
    check("0300 0000000000000000 02", meaningless("lane"));
    check("0300 0000000000000000 00 00000000", meaningless("bytes"));
    check("0200 0000000000000000 00", meaningless("part"));
    let first = "0100 0000000000000000";
    check(&format!("{first} 00 04"), meaningless("purpose"));
    check(&format!("{first} 00 01 00"), meaningless("event"));
    check(&format!("{first} 00 01 01 ff"), meaningless("event"));
    check(
        &format!("{first} 00 01 02 61"),
        DecodeError::Truncated("event"),
    );
    let reply = "03 0600000000000000";
    check(&format!("{first} 01 {reply} 05"), meaningless("outcome"));
    let length = "0300000000000000";
    let in_the_wrong_lane = format!("{first} 00 {reply} 00 {length} 313233");
    check(&in_the_wrong_lane, meaningless("lane"));
    let too_long = format!("{first} 00 01 01 61 {length} 31323334");
    check(&too_long, meaningless("length"));
    let empty = format!("{first} 00 01 01 61 {length}");
    check(&empty, meaningless("length"));
}

#[test]
fn a_frame_has_a_longest_length() {
    let part = vec![b'x'; LONGEST_FRAME];
    let more = |part| Frame::More {
        peer: WORKER,
        lane: Lane::Messages,
        part,
    };
    let overhead = more(&part).encode().len() - part.len();
    let longest = more(&part[overhead..]).encode();
    assert_eq!(longest.len(), LONGEST_FRAME);
    assert!(Frame::decode(&longest).is_ok());
    let longer = more(&part[overhead - 1..]).encode();
    let error = DecodeError::Oversized(LONGEST_FRAME);
    assert_eq!(Frame::decode(&longer), Err(error));
}

#[test]
fn a_frame_that_is_passed_on_gets_its_origin() {
    let frame = |peer| Frame::More {
        peer,
        lane: Lane::Replies,
        part: b"1",
    };
    let mut bytes = frame(Peer::Watcher).encode();
    readdress(&mut bytes, WORKER);
    assert_eq!(Frame::decode(&bytes), Ok(frame(WORKER)));
}

#[test]
fn parts_come_in_their_order_and_are_no_more_than_was_said() {
    let mut progress = Progress::default();
    assert_eq!(progress.go_on(1), Err(Disorder::NotBegun));
    assert_eq!(progress.begin(0, 0), Ok(()));
    assert!(!progress.is_within());
    assert_eq!(progress.begin(5, 2), Ok(()));
    assert!(progress.is_within());
    let interrupted = Disorder::Interrupted { missing: 3 };
    assert_eq!(progress.begin(5, 2), Err(interrupted));
    assert_eq!(progress.go_on(4), Err(Disorder::Exceeded { excess: 1 }));
    assert_eq!(progress.go_on(3), Ok(()));
    assert!(!progress.is_within());
}
