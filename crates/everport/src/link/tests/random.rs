//! Many seeded random frames come back as they were sent, and no bytes make a receiver panic.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use everport_core::{DrainReason, Generation, PortId, ReplaceCause, SlotId, WorkerId};

use crate::link::{Drained, FromWatcher, FromWorker, Welcome};
use crate::log::{Level, WhenFull};
use crate::random::Random;
use crate::{BindCause, BindError, ListenOptions, PortAddress, Sharing};

const FRAMES: u64 = 20_000; // a second in an unoptimised build
const SEED: u64 = 0x0065_7665_7270_6f72;

impl Random {
    fn u16(&mut self) -> u16 {
        self.next() as u16
    }

    fn u32(&mut self) -> u32 {
        self.next() as u32
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1))
            .map(|_| self.next() as u8)
            .collect()
    }

    fn short_text(&mut self) -> String {
        let letters = ['a', 'Z', ' ', 'é', '🦀', '"'];
        (0..=self.below(40))
            .map(|_| letters[self.below(letters.len() as u64) as usize])
            .collect()
    }

    fn duration(&mut self) -> Duration {
        Duration::from_nanos(self.next())
    }

    fn address(&mut self) -> PortAddress {
        match self.below(4) {
            0 => SocketAddr::from((Ipv4Addr::from(self.u32()), self.u16())).into(),
            1 => {
                let ip = Ipv6Addr::from(u128::from(self.next()) << 64 | u128::from(self.next()));
                SocketAddr::V6(SocketAddrV6::new(ip, self.u16(), self.u32(), self.u32())).into()
            }
            2 => {
                use std::os::unix::ffi::OsStringExt;
                let path = std::ffi::OsString::from_vec(self.bytes(108));
                PortAddress::UnixPath(path.into())
            }
            _ => PortAddress::UnixAbstract(self.bytes(107)),
        }
    }

    fn sharing(&mut self) -> Sharing {
        let all = [Sharing::Reuseport, Sharing::Transfer, Sharing::Dispatch];
        all[usize::from(self.u16()) % all.len()]
    }

    fn options(&mut self) -> ListenOptions {
        ListenOptions {
            backlog: self.u32(),
            keepalive: self.coin(),
            nodelay: self.coin(),
            freebind: self.coin(),
            receive_buffer: self.coin().then(|| self.u32()),
            send_buffer: self.coin().then(|| self.u32()),
            unix_mode: self.coin().then(|| self.u32()),
            sharing: self.coin().then(|| self.sharing()),
        }
    }

    fn cause(&mut self) -> BindCause {
        match self.below(12) {
            0 => BindCause::System(self.u32() as i32),
            1 => BindCause::InUse {
                by: Some(self.short_text()),
            },
            2 => BindCause::InUse { by: None },
            3 => BindCause::PermissionDenied,
            4 => BindCause::NotAvailable,
            5 => BindCause::NotASocket,
            6 => BindCause::Live,
            7 => BindCause::Duplicate,
            8 => BindCause::TooMany,
            9 => BindCause::Stopping,
            10 => BindCause::PassedIn(self.short_text()),
            _ => BindCause::SharedAs(self.sharing()),
        }
    }

    fn reason(&mut self) -> DrainReason {
        match self.below(4) {
            0 => DrainReason::Rollout,
            1 => DrainReason::Replaced,
            2 => DrainReason::ScaleDown,
            _ => DrainReason::Stop,
        }
    }

    fn level(&mut self) -> Level {
        Level::ALL[self.below(Level::ALL.len() as u64) as usize]
    }

    fn workers_frame(&mut self) -> FromWorker {
        match self.below(10) {
            0 => FromWorker::Hello {
                oldest: self.u16(),
                newest: self.u16(),
                library: self.short_text(),
            },
            1 => FromWorker::Listen {
                request: self.u32(),
                address: self.address(),
                options: self.options(),
            },
            2 => FromWorker::Release {
                port: PortId(self.u32()),
            },
            3 => FromWorker::Ready,
            4 => FromWorker::Replace {
                cause: if self.coin() {
                    ReplaceCause::Asked
                } else {
                    ReplaceCause::Connections
                },
            },
            5 => FromWorker::Leaving,
            6 => FromWorker::Alive { beat: self.u32() },
            7 => FromWorker::OpenRing,
            8 => FromWorker::OpenMessages,
            _ => FromWorker::Left(Drained {
                finished: self.u32(),
                closed: self.u32(),
                cut: self.u32(),
            }),
        }
    }

    fn watchers_frame(&mut self) -> FromWatcher {
        let (port, slot) = (PortId(self.u32()), SlotId(self.u32()));
        match self.below(13) {
            0 => FromWatcher::Welcome(Welcome {
                version: self.u16(),
                worker: WorkerId(self.next()),
                slot,
                generation: Generation(self.next()),
                shutdown_timeout: self.duration(),
                max_connections: self.next(),
            }),
            1 => FromWatcher::Refused {
                oldest: self.u16(),
                newest: self.u16(),
            },
            2 => FromWatcher::Granted {
                request: self.u32(),
                port,
                address: self.address(),
                sharing: Some(self.sharing()),
            },
            3 => {
                let (address, cause) = (self.address(), self.cause());
                FromWatcher::Denied {
                    request: self.u32(),
                    error: BindError { address, cause },
                }
            }
            4 => FromWatcher::Drain {
                reason: self.reason(),
                timeout: self.duration(),
                empty: (0..self.below(1000)).map(|_| PortId(self.u32())).collect(),
                quiet: self.duration(),
            },
            5 => FromWatcher::Lend { port, slot },
            6 => FromWatcher::Recall { port, slot },
            7 => FromWatcher::Beat { beat: self.u32() },
            8 => FromWatcher::Announce {
                delay: self.duration(),
            },
            9 => FromWatcher::Ring {
                size: self.u32(),
                when_full: if self.coin() {
                    WhenFull::Drop
                } else {
                    WhenFull::Block
                },
                level: self.level(),
                overrides: self.coin(),
            },
            10 => FromWatcher::LogLevel {
                level: self.level(),
            },
            11 => FromWatcher::Messages { limit: self.u32() },
            _ => FromWatcher::Look,
        }
    }
}

#[test]
fn every_frame_of_a_worker_comes_back_as_it_was() {
    let mut random = Random(SEED);
    for turn in 0..FRAMES {
        let frame = random.workers_frame();
        let bytes = frame.encode().unwrap();
        assert_eq!(
            FromWorker::decode(&bytes),
            Ok(frame),
            "frame {turn} of seed {SEED:#x}"
        );
    }
}

#[test]
fn every_frame_of_the_watcher_comes_back_as_it_was() {
    let mut random = Random(SEED);
    for turn in 0..FRAMES {
        let frame = random.watchers_frame();
        let bytes = frame.encode().unwrap();
        assert_eq!(
            FromWatcher::decode(&bytes),
            Ok(Some(frame)),
            "frame {turn} of seed {SEED:#x}"
        );
    }
}

#[test]
fn every_cut_of_a_workers_frame_is_an_error() {
    let mut random = Random(SEED);
    for _ in 0..FRAMES / 100 {
        let bytes = random.workers_frame().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(
                FromWorker::decode(&bytes[..length]).is_err(),
                "{bytes:?} cut at {length}"
            );
        }
    }
}

/// Frames with bytes changed, cut out, doubled, or taken from another frame.
fn damaged(random: &mut Random) -> Vec<u8> {
    let (mut bytes, other) = if random.coin() {
        let mut frame = || random.workers_frame().encode().unwrap();
        (frame(), frame())
    } else {
        let mut frame = || random.watchers_frame().encode().unwrap();
        (frame(), frame())
    };
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let length = random.below((bytes.len() - at) as u64 + 1) as usize;
        match random.below(5) {
            0 if length > 0 => bytes[at] = random.next() as u8,
            1 if length > 0 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.extend_from_within(at..at + length),
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    bytes
}

#[test]
fn damaged_frames_are_exactly_a_frame_or_an_error() {
    let mut random = Random(SEED);
    let (mut decoded, mut refused) = (0_u64, 0_u64);
    for _ in 0..FRAMES {
        let bytes = damaged(&mut random);
        crate::fuzzing::frame(&bytes);
        match FromWorker::decode(&bytes) {
            Ok(_) => decoded += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        decoded > FRAMES / 100 && refused > FRAMES / 4,
        "{decoded} decoded and {refused} refused: the damage is of one kind only"
    );
}

#[test]
fn whatever_workers_say_is_judged_as_a_worker_may_speak() {
    let mut random = Random(SEED);
    for _ in 0..FRAMES / 20 {
        let mut conversation = Vec::new();
        for turn in 0..random.below(20) {
            let message = match random.below(16) {
                0 => damaged(&mut random),
                _ if turn == 0 => hello().encode().unwrap(),
                _ => random.workers_frame().encode().unwrap(),
            };
            conversation.extend_from_slice(&(message.len() as u16).to_le_bytes());
            conversation.extend_from_slice(&message);
        }
        crate::fuzzing::conversation(&conversation);
    }
}

fn hello() -> FromWorker {
    FromWorker::Hello {
        oldest: 1,
        newest: 1,
        library: String::new(),
    }
}

#[test]
fn damaged_frames_and_noise_are_decoded_or_refused_without_panic() {
    let mut random = Random(SEED);
    let mut refused = 0_u64;
    for _ in 0..FRAMES {
        let mut bytes = if random.coin() {
            random.workers_frame().encode().unwrap()
        } else {
            random.bytes(64)
        };
        if !bytes.is_empty() {
            let index = random.below(bytes.len() as u64) as usize;
            bytes[index] = random.next() as u8;
        }
        refused += u64::from(FromWorker::decode(&bytes).is_err());
        refused += u64::from(FromWatcher::decode(&bytes).is_err());
    }
    assert!(
        refused > FRAMES / 4,
        "only {refused} were refused: the noise is too tame"
    );
}
