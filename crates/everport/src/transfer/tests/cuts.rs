//! Frames come in any pieces, from senders and from strangers; seeded, so that a failure can be repeated.

use super::frame_of;
use crate::fuzzing;
use crate::random::Random;

/// How many streams are tried.
const RUNS: u64 = 3_000;

/// A piece for the target, which describes it: see [`fuzzing::transfer`].
fn push_piece(random: &mut Random, pieces: &mut Vec<u8>, bytes: &[u8], descriptors: u8) {
    let looks = u8::from(random.below(3) > 0) << 3;
    pieces.push(descriptors | looks);
    pieces.push(u8::try_from(bytes.len()).unwrap());
    pieces.extend_from_slice(bytes);
}

/// One frame in pieces, the first of which has its descriptor.
fn push_frame(random: &mut Random, pieces: &mut Vec<u8>, descriptors: u8) {
    let data: Vec<u8> = (0..random.below(301))
        .map(|_| random.below(256) as u8)
        .collect();
    let frame = frame_of(&data);
    let mut rest = &frame[..];
    let mut descriptors = descriptors;
    while !rest.is_empty() {
        let longest = (rest.len() as u64).min([1, 9, 255][random.below(3) as usize]);
        let (piece, after) = rest.split_at(1 + random.below(longest) as usize);
        push_piece(random, pieces, piece, descriptors);
        (rest, descriptors) = (after, 0);
    }
}

/// Streams of senders: whatever is lost or doubled is a panic.
#[test]
fn frames_arrive_in_any_pieces() {
    for seed in 0..RUNS {
        let random = &mut Random(seed);
        let mut pieces = Vec::new();
        for _ in 0..random.below(6) {
            let file = u8::from(random.below(5) == 0) << 2;
            push_frame(random, &mut pieces, 1 | file);
        }
        println!("seed {seed}");
        fuzzing::transfer(&pieces);
    }
}

/// Streams with something wrong in them.
#[test]
fn strangers_get_nothing_in_and_leave_nothing_open() {
    for seed in 0..RUNS {
        let random = &mut Random(seed);
        let mut pieces = Vec::new();
        for _ in 0..=random.below(4) {
            let descriptors = [1, 1, 1, 0, 2, 3][random.below(6) as usize];
            push_frame(random, &mut pieces, descriptors);
        }
        for _ in 0..random.below(4) {
            let place = random.below(pieces.len() as u64) as usize;
            pieces[place] = random.below(256) as u8;
        }
        println!("seed {seed}");
        fuzzing::transfer(&pieces);
    }
}
