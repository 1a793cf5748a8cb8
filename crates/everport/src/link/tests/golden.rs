//! The bytes of every frame, written down: they may never change within a protocol version.

use std::time::Duration;

use everport_core::{DrainReason, Generation, PortId, ReplaceCause, SlotId, WorkerId};

use crate::link::{DecodeError, Drained, FromWatcher, FromWorker, Welcome};
use crate::log::{Level, WhenFull};
use crate::{BindCause, BindError, ListenOptions, PortAddress, Sharing};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a hexadecimal text in which blanks separate the fields.
fn bytes(golden: &str) -> Vec<u8> {
    let digits: Vec<u8> = golden.bytes().filter(|byte| *byte != b' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn check_worker(frame: &FromWorker, golden: &str) {
    assert_eq!(
        hex(&frame.encode().unwrap()),
        golden.replace(' ', ""),
        "{frame:?}"
    );
    assert_eq!(FromWorker::decode(&bytes(golden)).as_ref(), Ok(frame));
}

fn check_watcher(frame: &FromWatcher, golden: &str) {
    assert_eq!(
        hex(&frame.encode().unwrap()),
        golden.replace(' ', ""),
        "{frame:?}"
    );
    assert_eq!(
        FromWatcher::decode(&bytes(golden)).unwrap().as_ref(),
        Some(frame)
    );
}

fn tcp(text: &str) -> PortAddress {
    PortAddress::Tcp(text.parse().unwrap())
}

#[test]
fn frames_from_a_worker_have_these_bytes() {
    let hello = FromWorker::Hello {
        oldest: 1,
        newest: 2,
        library: "everport 0.1.0".to_owned(),
    };
    check_worker(
        &hello,
        "0100 65766572706f7274 0100 0200 0e00 6576657270 6f727420 302e312e30",
    );
    check_worker(&FromWorker::Release { port: PortId(3) }, "0300 03000000");
    check_worker(&FromWorker::Ready, "0400");
    let replace = |cause| FromWorker::Replace { cause };
    check_worker(&replace(ReplaceCause::Asked), "0500 00");
    check_worker(&replace(ReplaceCause::Connections), "0500 01");
    check_worker(&FromWorker::Leaving, "0600");
    let drained = Drained {
        finished: 1,
        closed: 2,
        cut: 258,
    };
    check_worker(
        &FromWorker::Left(drained),
        "0700 01000000 02000000 02010000",
    );
    check_worker(&FromWorker::Alive { beat: 7 }, "0800 07000000");
    check_worker(&FromWorker::OpenRing, "0900");
    check_worker(&FromWorker::OpenMessages, "0a00");
}

#[test]
fn requests_to_listen_have_these_bytes() {
    let listen = |address, options| FromWorker::Listen {
        request: 5,
        address,
        options,
    };
    check_worker(
        &listen(tcp("127.0.0.1:8080"), ListenOptions::new()),
        "0200 05000000 04 7f000001 901f 00100000 00 00000000 00000000 00000000 00",
    );
    let options = ListenOptions::new()
        .backlog(1)
        .keepalive(true)
        .nodelay(true)
        .freebind(true)
        .receive_buffer(2)
        .send_buffer(3)
        .unix_mode(0o660)
        .sharing(Sharing::Transfer);
    check_worker(
        &listen(tcp("[::1]:80"), options),
        "0200 05000000 06 00000000000000000000000000000001 5000 00000000 00000000 01000000 3f 02000000 03000000 b0010000 02",
    );
    check_worker(
        &listen(PortAddress::unix("/s"), ListenOptions::new()),
        "0200 05000000 01 0200 2f73 00100000 00 00000000 00000000 00000000 00",
    );
    check_worker(
        &listen(
            PortAddress::unix("@s"),
            ListenOptions::new().sharing(Sharing::Reuseport),
        ),
        "0200 05000000 02 0100 73 00100000 00 00000000 00000000 00000000 01",
    );
}

#[test]
fn frames_from_the_watcher_have_these_bytes() {
    let welcome = Welcome {
        version: 1,
        worker: WorkerId(2),
        slot: SlotId(3),
        generation: Generation(4),
        shutdown_timeout: Duration::from_secs(30),
        max_connections: 5,
    };
    check_watcher(
        &FromWatcher::Welcome(welcome),
        "0101 0100 0200000000000000 03000000 0400000000000000 00ac23fc06000000 0500000000000000",
    );
    check_watcher(
        &FromWatcher::Refused {
            oldest: 2,
            newest: 3,
        },
        "0201 0200 0300",
    );
    let granted = FromWatcher::Granted {
        request: 5,
        port: PortId(6),
        address: tcp("0.0.0.0:80"),
        sharing: Some(Sharing::Reuseport),
    };
    check_watcher(&granted, "0301 05000000 06000000 04 00000000 5000 01");
    let drain = FromWatcher::Drain {
        reason: DrainReason::Stop,
        timeout: Duration::from_nanos(1),
        empty: vec![PortId(1), PortId(2)],
        quiet: Duration::from_nanos(2),
    };
    check_watcher(
        &drain,
        "0501 03 0100000000000000 0200000000000000 0200 01000000 02000000",
    );
    let (port, slot) = (PortId(1), SlotId(2));
    check_watcher(&FromWatcher::Lend { port, slot }, "0601 01000000 02000000");
    check_watcher(
        &FromWatcher::Recall { port, slot },
        "0701 01000000 02000000",
    );
    check_watcher(&FromWatcher::Look, "0801");
    check_watcher(&FromWatcher::Beat { beat: 7 }, "0901 07000000");
    let delay = Duration::from_nanos(3);
    check_watcher(&FromWatcher::Announce { delay }, "0a01 0300000000000000");
    check_watcher(&FromWatcher::Messages { limit: 0x1_0000 }, "0d01 00000100");
}

#[test]
fn frames_about_records_have_these_bytes() {
    let ring = |size, when_full, overrides| FromWatcher::Ring {
        size,
        when_full,
        level: Level::Info,
        overrides,
    };
    check_watcher(
        &ring(0x10_0000, WhenFull::Drop, false),
        "0b01 00001000 00 03 00",
    );
    check_watcher(&ring(0, WhenFull::Block, true), "0b01 00000000 01 03 01");
    for (level, number) in Level::ALL.into_iter().zip(1..) {
        check_watcher(
            &FromWatcher::LogLevel { level },
            &format!("0c01 {number:02x}"),
        );
    }
}

#[test]
fn what_a_newer_watcher_says_of_records_makes_no_worker_wait() {
    let expected = FromWatcher::Ring {
        size: 1,
        when_full: WhenFull::Drop,
        level: Level::Info,
        overrides: true,
    };
    let golden = "0b01 01000000 ff ff ff 99";
    assert_eq!(FromWatcher::decode(&bytes(golden)), Ok(Some(expected)));
}

/// Error numbers are the system's own; these are Linux's.
#[test]
#[cfg(target_os = "linux")]
fn bind_errors_have_these_bytes() {
    let nginx = Some("nginx".to_owned());
    let causes = [
        (BindCause::System(5), "00 05000000 0000"),
        (
            BindCause::InUse { by: nginx },
            "01 62000000 0500 6e67696e78",
        ),
        (BindCause::InUse { by: None }, "01 62000000 0000"),
        (BindCause::PermissionDenied, "02 0d000000 0000"),
        (BindCause::NotAvailable, "03 63000000 0000"),
        (BindCause::NotASocket, "04 58000000 0000"),
        (BindCause::Live, "05 62000000 0000"),
        (BindCause::Duplicate, "06 11000000 0000"),
        (BindCause::SharedAs(Sharing::Reuseport), "07 5f000000 0000"),
        (BindCause::SharedAs(Sharing::Transfer), "08 5f000000 0000"),
        (BindCause::SharedAs(Sharing::Dispatch), "0c 5f000000 0000"),
        (BindCause::TooMany, "09 18000000 0000"),
        (BindCause::Stopping, "0a 7d000000 0000"),
        (
            BindCause::PassedIn("web".to_owned()),
            "0b 62000000 0300 776562",
        ),
    ];
    for (cause, golden) in causes {
        let error = BindError::new(&tcp("1.2.3.4:80"), cause);
        check_watcher(
            &FromWatcher::Denied { request: 5, error },
            &format!("0401 05000000 04 01020304 5000 {golden}"),
        );
    }
}

#[test]
fn what_a_worker_sends_is_exactly_a_frame_or_an_error() {
    fn check(golden: &str, error: DecodeError) {
        assert_eq!(FromWorker::decode(&bytes(golden)), Err(error));
    }
    check("", DecodeError::Empty);
    check("04", DecodeError::Truncated("kind"));
    check("0400 00", DecodeError::Trailing { kind: 4, count: 1 });
    check("0000", DecodeError::UnknownKind(0));
    check("0101", DecodeError::UnknownKind(0x101));
    check("0300 030000", DecodeError::Truncated("port"));
    check(
        "0500 02",
        DecodeError::Meaningless("cause of a replacement"),
    );
    check("0100 6576657270 6f7258", DecodeError::NotEverport);
    check(
        "0100 6576657270 6f7274 0100 0100 0200 61",
        DecodeError::Truncated("library"),
    );
    check(
        "0200 05000000 07",
        DecodeError::Meaningless("address family"),
    );
    let options = "0200 05000000 04 7f000001 901f 00100000";
    check(
        &format!("{options} 40"),
        DecodeError::Meaningless("option flags"),
    );
    check(
        &format!("{options} 00 00000000 01000000 00000000 00"),
        DecodeError::Meaningless("option flags"),
    );
    let sharing = format!("{options} 00 00000000 00000000 00000000 04");
    check(&sharing, DecodeError::Meaningless("sharing"));
}

#[test]
fn what_only_a_newer_watcher_knows_is_ignored() {
    assert_eq!(FromWatcher::decode(&bytes("ff01 0102")), Ok(None));
    assert_eq!(
        FromWatcher::decode(&bytes("0801 0102")),
        Ok(Some(FromWatcher::Look))
    );
    let error = BindError::new(&tcp("1.2.3.4:80"), BindCause::System(98));
    assert_eq!(
        FromWatcher::decode(&bytes("0401 05000000 04 01020304 5000 ff 62000000 0000")),
        Ok(Some(FromWatcher::Denied { request: 5, error }))
    );
}

#[test]
fn a_drain_for_a_reason_of_a_newer_watcher_drains_patiently() {
    let golden = "0501 ff 0100000000000000 0200000000000000 0000";
    let Ok(Some(FromWatcher::Drain { reason, .. })) = FromWatcher::decode(&bytes(golden)) else {
        panic!("not a drain");
    };
    assert_eq!(reason, DrainReason::Rollout);
}

#[test]
fn a_frame_that_does_not_fit_is_an_error_of_its_sender() {
    for length in [5_000, 70_000] {
        let listen = FromWorker::Listen {
            request: 1,
            address: PortAddress::UnixAbstract(vec![b'x'; length]),
            options: ListenOptions::new(),
        };
        assert!(listen.encode().is_err(), "{length} bytes");
    }
}

#[test]
fn text_for_people_is_cut_at_a_character() {
    let hello = FromWorker::Hello {
        oldest: 1,
        newest: 1,
        library: format!("{}é", "x".repeat(254)),
    };
    let Ok(FromWorker::Hello { library, .. }) = FromWorker::decode(&hello.encode().unwrap()) else {
        panic!("not a hello");
    };
    assert_eq!(library, "x".repeat(254));
}
