//! Entries for the journal of systemd, in its native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use super::escape::escape;
use super::message::Message;
use super::socket::Protocol;
use super::{Fields, Record, Value};
#[cfg(feature = "cli")]
use super::{OpenLogError, socket};

const SOCKET: &str = "/run/systemd/journal/socket";

/// The longest name of a field that the journal takes.
const LONGEST_NAME: usize = 64;

/// How many fields of a record are passed on: the journal drops an entry that has more than 1,024 with those it adds
/// itself.
const MOST_FIELDS: usize = 900;

/// The journal of systemd. [`Journald::default`] is the system's own.
///
/// Each entry has `MESSAGE`, `PRIORITY`, `SYSLOG_IDENTIFIER` (see
/// [`WriterBuilder::identifier`](super::WriterBuilder::identifier)) and `EVERPORT_KIND`, and as far as they
/// apply `EVERPORT_WORKER`, `EVERPORT_SLOT`, `EVERPORT_GENERATION`, `EVERPORT_PID`, `EVERPORT_EVENT`,
/// `EVERPORT_STREAM`, `EVERPORT_TARGET`, `EVERPORT_THREAD`, `EVERPORT_TIME` and one `EVERPORT_SPAN` for each span. The
/// record's own field `order_id` is `F_ORDER_ID`, that of a span `S_ORDER_ID`. The journal takes no more than about a
/// thousand fields: of a record with more than 900, the rest is in `MESSAGE` alone, and the entry has `EVERPORT_CUT`.
#[derive(Debug, Clone)]
pub struct Journald {
    path: PathBuf,
}

impl Journald {
    /// A journal with another socket, such as that of a journal namespace.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            path: socket.into(),
        }
    }

    /// Whether somebody takes messages there.
    #[cfg(feature = "cli")]
    pub(crate) fn look(self) -> Result<(), OpenLogError> {
        socket::look::<Native>(&self.path)
    }

    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }
}

impl Default for Journald {
    fn default() -> Self {
        Self::at(SOCKET)
    }
}

/// Makes the journal's packets.
#[derive(Debug)]
pub(super) struct Native {
    identifier: String,
}

impl Native {
    /// For a cluster that the journal is to call so.
    pub(super) fn new(identifier: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
        }
    }
}

impl Protocol for Native {
    const NAME: &'static str = "journald";

    fn encode(
        &self,
        buffer: &mut Vec<u8>,
        message: &Message<'_>,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        buffer.clear();
        push(buffer, "MESSAGE", &message.text);
        push(buffer, "PRIORITY", &message.priority().to_string());
        push(buffer, "SYSLOG_IDENTIFIER", &self.identifier);
        push(buffer, "EVERPORT_KIND", message.kind);
        if let Some(worker) = message.worker {
            push(buffer, "EVERPORT_WORKER", &worker.to_string());
        }
        if let Some(slot) = message.slot {
            push(buffer, "EVERPORT_SLOT", &slot.to_string());
        }
        if let Some(source) = message.source {
            push(
                buffer,
                "EVERPORT_GENERATION",
                &source.generation.to_string(),
            );
            push(buffer, "EVERPORT_PID", &source.pid.to_string());
        }
        if let Some(event) = message.event {
            push(buffer, "EVERPORT_EVENT", event);
        }
        if let Some(stream) = message.stream {
            push(buffer, "EVERPORT_STREAM", stream.name());
        }
        let time = humantime::format_rfc3339_micros(message.at);
        push(buffer, "EVERPORT_TIME", &time.to_string());
        if let Some(record) = &message.record {
            push_record(buffer, record);
        }
        send(buffer)
    }

    fn send_large(&self, socket: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()> {
        send_as_file(socket, packet)
    }
}

fn push_record(buffer: &mut Vec<u8>, record: &Record<'_>) {
    push(buffer, "EVERPORT_TARGET", &escape(record.target));
    push(buffer, "EVERPORT_THREAD", &escape(record.thread));
    let mut room = MOST_FIELDS;
    let mut is_whole = push_fields(buffer, "F_", record.fields, &mut room);
    for span in record.spans {
        is_whole = is_whole && room > 0;
        if is_whole {
            push(buffer, "EVERPORT_SPAN", &escape(span.name));
            room -= 1;
            is_whole = push_fields(buffer, "S_", span.fields, &mut room);
        }
    }
    if !is_whole {
        push(buffer, "EVERPORT_CUT", "1");
    }
}

/// Appends as many fields as there is room for, and whether these are all.
fn push_fields(buffer: &mut Vec<u8>, prefix: &str, fields: Fields<'_>, room: &mut usize) -> bool {
    for (name, value) in fields {
        if *room == 0 {
            return false;
        }
        *room -= 1;
        push_field(buffer, &field_name(prefix, name), value);
    }
    true
}

fn push_field(buffer: &mut Vec<u8>, name: &str, value: Value<'_>) {
    match value {
        Value::Text(text) => push(buffer, name, &escape(text)),
        Value::Signed(number) => push(buffer, name, &number.to_string()),
        Value::Unsigned(number) => push(buffer, name, &number.to_string()),
        Value::Signed128(number) => push(buffer, name, &number.to_string()),
        Value::Unsigned128(number) => push(buffer, name, &number.to_string()),
        Value::Float(number) => push(buffer, name, &number.to_string()),
        Value::Bool(value) => push(buffer, name, &value.to_string()),
    }
}

/// What the journal takes of a name: capital letters, digits and underscores.
fn field_name(prefix: &str, name: &str) -> String {
    let taken = name.chars().map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => character.to_ascii_uppercase(),
        _ => '_',
    });
    prefix.chars().chain(taken).take(LONGEST_NAME).collect()
}

fn push(buffer: &mut Vec<u8>, name: &str, value: &str) {
    buffer.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        buffer.push(b'\n');
        buffer.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        buffer.push(b'=');
    }
    buffer.extend_from_slice(value.as_bytes());
    buffer.push(b'\n');
}

/// What does not fit into a datagram is passed on as a file in memory that nobody can change any more.
#[cfg(target_os = "linux")]
fn send_as_file(socket: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(memfd_create("everport-log", flags)?);
    file.write_all(packet)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    let descriptors = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fits = ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    debug_assert!(fits, "there is space for one descriptor");
    sendmsg(socket, &[], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// There is no journal elsewhere.
#[cfg(not(target_os = "linux"))]
fn send_as_file(_socket: BorrowedFd<'_>, _packet: &[u8]) -> io::Result<()> {
    Err(rustix::io::Errno::MSGSIZE.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::{self, batch, line_of, record};
    use crate::log::{Entry, Notice};

    fn packets(entry: Entry) -> Vec<String> {
        fixtures::packets(&Native::new("shop"), entry)
    }

    #[test]
    fn a_line_says_whose_it_is() {
        let expected = "MESSAGE=hello\nPRIORITY=6\nSYSLOG_IDENTIFIER=shop\nEVERPORT_KIND=line\n\
             EVERPORT_WORKER=7\nEVERPORT_SLOT=2\nEVERPORT_GENERATION=1\nEVERPORT_PID=4711\n\
             EVERPORT_STREAM=stdout\nEVERPORT_TIME=1970-01-01T00:00:00.000000Z\n";
        assert_eq!(packets(line_of(7, "hello")), [expected]);
    }

    #[test]
    fn a_notice_has_its_event() {
        let notice = Notice::Supervisor(everport_core::Notice::RestartCoalesced);
        let packets = packets(Entry::Notice(notice, None));
        assert!(
            packets[0].contains("\nEVERPORT_EVENT=restart_coalesced\n"),
            "{packets:?}"
        );
    }

    #[test]
    fn each_record_has_its_fields_and_forges_none() {
        let mut bytes = record(|encoder| {
            encoder.message("paid\nPRIORITY=0");
            encoder.unsigned("order-id", 7);
            encoder.text("by", "card\nPRIORITY=0\u{1b}");
            encoder.span("request");
            encoder.text("path", "/pay");
        });
        bytes.extend(record(|encoder| encoder.message("again")));
        let records = batch(7, bytes, false, || {});
        let packets = packets(Entry::Records(std::sync::Arc::new(records)));
        assert_eq!(packets.len(), 2);
        for part in [
            "PRIORITY=4\n",
            "EVERPORT_KIND=record\n",
            "EVERPORT_TARGET=shop::orders\n",
            "EVERPORT_THREAD=main\n",
            "EVERPORT_TIME=2026-01-02T03:04:05.678000Z\n",
            "F_ORDER_ID=7\n",
            "F_BY=card\\nPRIORITY=0\\x1b\n",
            "EVERPORT_SPAN=request\n",
            "S_PATH=/pay\n",
        ] {
            assert!(packets[0].contains(part), "{part}: {}", packets[0]);
        }
        assert_eq!(packets[0].matches("\nPRIORITY=").count(), 1);
        assert!(packets[1].starts_with("MESSAGE=again"));
    }

    #[test]
    fn no_record_has_more_fields_than_the_journal_takes() {
        let fields = |own: usize, spans: usize| {
            let bytes = record(|encoder| {
                (0..own).for_each(|_| encoder.unsigned("own", 1));
                for _ in 0..spans {
                    encoder.span("request");
                    (0..200).for_each(|_| encoder.unsigned("id", 1));
                }
            });
            let records = batch(7, bytes, false, || {});
            let packets = packets(Entry::Records(std::sync::Arc::new(records)));
            (
                packets[0].lines().count(),
                packets[0].contains("\nEVERPORT_CUT=1\n"),
            )
        };
        let (others, _) = fields(0, 0);
        assert_eq!(fields(900, 0), (others + 900, false));
        assert_eq!(fields(901, 0), (others + 901, true));
        assert_eq!(fields(900, 1), (others + 901, true));
        assert_eq!(fields(94, 4), (others + 898, false));
        assert_eq!(fields(0, 20), (others + 901, true));
        assert!(others + 901 < 1000);
    }

    #[test]
    fn several_lines_have_their_length_before_them() {
        let mut buffer = Vec::new();
        push(&mut buffer, "MESSAGE", "a\nb");
        assert_eq!(buffer, b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n");
    }

    #[test]
    fn names_are_what_the_journal_takes() {
        assert_eq!(field_name("F_", "http.status-code"), "F_HTTP_STATUS_CODE");
        assert_eq!(field_name("F_", "größe"), "F_GR__E");
        assert_eq!(field_name("F_", &"x".repeat(100)).len(), LONGEST_NAME);
    }
}
