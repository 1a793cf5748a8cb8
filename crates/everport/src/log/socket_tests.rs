//! Messages to daemons of these tests' own.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::*;
use crate::log::Entry;
use crate::log::fixtures::{batch, line_of, record, records};
use crate::log::journald::Native;
use crate::log::syslog::Rfc3164;

fn line(text: &str) -> Item {
    Item::Entry(SystemTime::now(), line_of(7, text))
}

fn syslog(path: &Path) -> MessageOutput<Rfc3164> {
    MessageOutput::open(Rfc3164::new("shop"), path.to_path_buf()).unwrap()
}

fn bind(path: &Path) -> UnixDatagram {
    let daemon = UnixDatagram::bind(path).unwrap();
    daemon
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    daemon
}

fn receive(daemon: &UnixDatagram) -> String {
    let mut packet = vec![0; 1 << 20];
    let length = daemon.recv(&mut packet).unwrap();
    String::from_utf8(packet[..length].to_vec()).unwrap()
}

#[test]
fn messages_arrive_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = bind(&path);
    let mut output = syslog(&path);
    output.write(&mut vec![line("one"), Item::Lost(1234)]);
    assert_eq!(receive(&daemon), "<30>shop[4711]: 2.7 out one");
    let pid = std::process::id();
    let expected = format!("<28>shop[{pid}]: 1,234 entries lost: the log's reader did not keep up");
    assert_eq!(receive(&daemon), expected);
}

#[test]
fn a_daemon_that_is_not_there_is_an_error_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let error = MessageOutput::open(Rfc3164::new("shop"), path).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot log to syslog: nobody takes"),
        "{error}"
    );
}

#[test]
fn a_daemon_that_is_restarted_misses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(bind(&path));
    // Nobody listens now, as in the midst of a restart.
    std::fs::remove_file(&path).unwrap();
    let daemon = bind(&path);
    let mut output = syslog(&path);
    output.write(&mut vec![line("one")]);
    assert!(receive(&daemon).ends_with("one"));
    drop(daemon);
    std::fs::remove_file(&path).unwrap();
    let writing = std::thread::spawn(move || {
        output.write(&mut vec![line("two")]);
        output
    });
    let daemon = bind(&path);
    assert!(receive(&daemon).ends_with("two"));
    assert!(writing.join().unwrap().take_remarks().is_empty());
}

#[test]
fn what_a_daemon_missed_that_was_gone_for_long_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = bind(&path);
    let mut output = syslog(&path);
    drop(daemon);
    output.link.is_given_up = true;
    let batch = Item::Entry(SystemTime::now(), records(7, 10, 3, false));
    output.write(&mut vec![line("one"), batch, Item::Lost(5)]);
    assert_eq!(output.take_remarks().len(), 1);
    std::fs::remove_file(&path).unwrap();
    let daemon = bind(&path);
    output.write(&mut vec![line("two")]);
    assert!(receive(&daemon).contains("16 entries lost: cannot log to syslog: Connection refused"));
    assert!(receive(&daemon).ends_with("two"));
    assert!(!output.link.is_given_up);
}

#[test]
fn no_count_that_could_not_be_sent_is_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = bind(&path);
    let mut output = syslog(&path);
    drop(daemon);
    output.link.is_given_up = true;
    output.write(&mut vec![Item::Lost(u64::MAX), line("one")]);
    assert_eq!(output.lost, u64::MAX);
}

#[test]
fn a_daemon_may_take_a_stream_of_messages() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = UnixListener::bind(&path).unwrap();
    let mut output = syslog(&path);
    output.write(&mut vec![line("one"), line("two")]);
    drop(output);
    let mut text = String::new();
    daemon
        .accept()
        .unwrap()
        .0
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(
        text,
        "<30>shop[4711]: 2.7 out one\0<30>shop[4711]: 2.7 out two\0"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_too_large_for_a_datagram_reaches_the_journal_as_a_file() {
    use std::io::Seek;
    use std::mem::MaybeUninit;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = bind(&path);
    let mut output = MessageOutput::open(Native::new("shop"), path).unwrap();
    let text = "x".repeat(1 << 20);
    output.write(&mut vec![line(&text)]);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&daemon, &mut [], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let descriptors = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let mut file = std::fs::File::from(descriptors.unwrap());
    file.rewind().unwrap();
    let packet = io::read_to_string(&mut file).unwrap();
    assert!(packet.starts_with("MESSAGE=xxx") && packet.contains("\nPRIORITY=6\n"));
    assert_eq!(packet.matches('x').count(), text.len());
    assert!(file.set_len(0).is_err(), "nobody can change it any more");
}

#[test]
fn a_worker_may_hand_over_more_although_the_daemon_is_gone_and_another_place_is_stuck() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let daemon = bind(&path);
    let mut output = syslog(&path);
    drop(daemon);
    output.link.is_given_up = true;
    let is_given_back = Arc::new(AtomicBool::new(false));
    let given_back = Arc::clone(&is_given_back);
    let bytes = record(|encoder| encoder.message("hello"));
    let stuck = Arc::new(batch(7, bytes, false, move || {
        given_back.store(true, Ordering::Relaxed);
    }));
    let records = Entry::Records(Arc::clone(&stuck));
    output.write(&mut vec![Item::Entry(SystemTime::now(), records)]);
    assert_eq!(output.lost, 1);
    assert!(is_given_back.load(Ordering::Relaxed));
}
