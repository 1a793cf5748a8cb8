//! Many seeded random frames come back as they were sent, and no bytes make a receiver panic.

use crate::messages::{Frame, Head, Lane, Outcome, Peer};
use crate::random::Random;

const FRAMES: u64 = 20_000; // a second in an unoptimised build
const SEED: u64 = 0x006d_6573_7361_6765;

/// What a frame borrows.
struct Material {
    event: String,
    part: Vec<u8>,
}

fn material(random: &mut Random) -> Material {
    let letters = ['a', 'é', '🦀', ' ', '/', '\0'];
    let event = (0..=random.below(40))
        .map(|_| letters[random.below(letters.len() as u64) as usize])
        .collect();
    let part = (0..random.below(64)).map(|_| random.next() as u8).collect();
    Material { event, part }
}

fn head<'material>(random: &mut Random, event: &'material str) -> Head<'material> {
    let call = random.next();
    match random.below(3) {
        0 => Head::Message { event },
        1 => Head::Request { call, event },
        _ => Head::Reply {
            call,
            outcome: [
                Outcome::Answered,
                Outcome::NobodyAnswers,
                Outcome::Panicked,
                Outcome::Misunderstood,
                Outcome::Unsendable,
            ][random.below(5) as usize],
        },
    }
}

fn frame<'material>(random: &mut Random, material: &'material Material) -> Frame<'material> {
    let peer = Peer::from_number(random.next() >> random.below(64));
    let lane = Lane::ALL[random.below(2) as usize];
    let part = &material.part[..];
    match random.below(6) {
        1 if !part.is_empty() => Frame::More { peer, lane, part },
        2 => Frame::Credit {
            peer,
            lane,
            bytes: (random.next() as u32).max(1),
        },
        3 => Frame::Present { peer },
        4 => Frame::Gone { peer },
        5 => Frame::Attached,
        _ => Frame::First {
            peer,
            head: head(random, &material.event),
            length: match part.is_empty() {
                true => 0,
                false => part.len() as u64 + random.below(1 << 40),
            },
            part,
        },
    }
}

#[test]
fn every_frame_comes_back_as_it_was() {
    let mut random = Random(SEED);
    for turn in 0..FRAMES {
        let material = material(&mut random);
        let frame = frame(&mut random, &material);
        let bytes = frame.encode();
        assert_eq!(
            Frame::decode(&bytes),
            Ok(frame),
            "frame {turn} of seed {SEED:#x}"
        );
    }
}

#[test]
fn damaged_frames_are_exactly_a_frame_or_an_error() {
    let mut random = Random(SEED);
    let (mut decoded, mut refused) = (0_u64, 0_u64);
    for _ in 0..FRAMES {
        let material = material(&mut random);
        let mut bytes = frame(&mut random, &material).encode();
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
        match Frame::decode(&bytes) {
            Ok(frame) => {
                decoded += 1;
                assert_eq!(frame.encode(), bytes, "{frame:?}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        decoded > FRAMES / 100 && refused > FRAMES / 10,
        "{decoded} decoded and {refused} refused: the damage is of one kind only"
    );
}
