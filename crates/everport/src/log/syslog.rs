//! Entries for syslog, as local programs send them (RFC 3164).

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use rustix::io::Errno;

use super::Stream;
use super::message::Message;
use super::socket::Protocol;
#[cfg(feature = "cli")]
use super::{OpenLogError, socket};

/// Where the daemon takes messages, on Linux and on the BSDs.
const SOCKETS: [&str; 3] = ["/dev/log", "/var/run/log", "/var/run/syslog"];

/// The facility `daemon`, in the bits above those of the severity.
const DAEMON: u8 = 3 << 3;

/// What daemons take of a message, in bytes: most cut it there.
const LONGEST: usize = 8 * 1024;

/// What stands at the end of a message that was cut.
const CUT: &str = " [cut]";

/// The syslog daemon of this machine. [`Syslog::default`] looks for its socket where systems have it.
///
/// The tag is the cluster's name, the process id that of the worker or of the watcher. The daemon stamps the time: what
/// it takes has none with a time zone.
#[derive(Debug, Clone, Default)]
pub struct Syslog {
    path: Option<PathBuf>,
}

impl Syslog {
    /// A daemon with another socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(socket.into()),
        }
    }

    /// Whether somebody takes messages there.
    #[cfg(feature = "cli")]
    pub(crate) fn look(self) -> Result<(), OpenLogError> {
        socket::look::<Rfc3164>(&self.into_path())
    }

    pub(super) fn into_path(self) -> PathBuf {
        let places = SOCKETS.into_iter().map(PathBuf::from);
        self.path.unwrap_or_else(|| the_socket_of(places))
    }
}

/// The first that is a socket: on some systems, one of the places is a directory. Without any it is the usual one that
/// is missing.
fn the_socket_of(mut places: impl Iterator<Item = PathBuf> + Clone) -> PathBuf {
    let usual = places.clone().next();
    let is_socket = |path: &PathBuf| {
        let metadata = std::fs::metadata(path);
        metadata.is_ok_and(|metadata| metadata.file_type().is_socket())
    };
    places.find(is_socket).or(usual).unwrap_or_default()
}

/// Makes the daemon's packets.
#[derive(Debug)]
pub(super) struct Rfc3164 {
    /// The cluster's name as a tag.
    tag: String,
    /// Ours.
    pid: u32,
}

impl Rfc3164 {
    pub(super) fn new(name: &str) -> Self {
        let ends_tag =
            |character: char| matches!(character, ':' | '[' | ']') || character.is_whitespace();
        Self {
            tag: name.replace(ends_tag, "_"),
            pid: std::process::id(),
        }
    }

    fn push(&self, buffer: &mut Vec<u8>, message: &Message<'_>, line: &str) -> io::Result<()> {
        buffer.clear();
        let pid = message.source.map_or(self.pid, |source| source.pid);
        let priority = DAEMON | message.priority();
        write!(buffer, "<{priority}>{}[{pid}]: ", self.tag)?;
        if let Some(source) = &message.source
            && (message.stream.is_some() || message.record.is_some())
        {
            write!(buffer, "{}.{} ", source.slot, source.worker)?;
        }
        match message.stream {
            Some(Stream::Stdout) => buffer.extend_from_slice(b"out "),
            Some(Stream::Stderr) => buffer.extend_from_slice(b"err "),
            None => {}
        }
        let room = LONGEST.saturating_sub(buffer.len() + CUT.len());
        match line.len() <= room {
            true => buffer.extend_from_slice(line.as_bytes()),
            false => {
                buffer.extend_from_slice(&line.as_bytes()[..floor_char_boundary(line, room)]);
                buffer.extend_from_slice(CUT.as_bytes());
            }
        }
        Ok(())
    }
}

impl Protocol for Rfc3164 {
    const NAME: &'static str = "syslog";

    fn encode(
        &self,
        buffer: &mut Vec<u8>,
        message: &Message<'_>,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for line in message.text.split('\n') {
            self.push(buffer, message, line)?;
            send(buffer)?;
        }
        Ok(())
    }

    /// A daemon whose socket takes less than others' cannot be helped.
    fn send_large(&self, _socket: BorrowedFd<'_>, _packet: &[u8]) -> io::Result<()> {
        Err(Errno::MSGSIZE.into())
    }
}

/// The last boundary of a character at or before a place in the text.
fn floor_char_boundary(text: &str, most: usize) -> usize {
    let mut places = (0..=most).rev();
    places
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::{self, line_of, records};
    use crate::log::{Entry, Notice};

    fn packets(name: &str, entry: Entry) -> Vec<String> {
        let protocol = Rfc3164 {
            pid: 815,
            ..Rfc3164::new(name)
        };
        fixtures::packets(&protocol, entry)
    }

    #[test]
    fn what_is_no_socket_is_passed_over_and_the_usual_place_is_the_one_that_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("directory")).unwrap();
        let places = ["usual", "directory", "socket"].map(at).into_iter();
        assert_eq!(the_socket_of(places.clone()), at("usual"));
        let _daemon = std::os::unix::net::UnixDatagram::bind(at("socket")).unwrap();
        assert_eq!(the_socket_of(places), at("socket"));
    }

    #[test]
    fn a_line_says_whose_it_is() {
        assert_eq!(
            packets("shop", line_of(7, "hello")),
            ["<30>shop[4711]: 2.7 out hello"]
        );
    }

    #[test]
    fn a_record_has_its_severity() {
        let packets = packets("shop", records(7, 2, 3, false));
        assert_eq!(packets, ["<28>shop[4711]: 2.7 xxx (shop::orders)"; 2]);
    }

    #[test]
    fn each_line_of_a_notice_is_a_message() {
        let notice = Notice::LogTrouble {
            error: "no\nspace".to_owned(),
        };
        let packets = packets("a shop:[1]", Entry::Notice(notice, None));
        assert_eq!(packets, ["<28>a_shop__1_[815]: no\\nspace"]);
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_mark() {
        let packets = packets("shop", line_of(7, &"é".repeat(LONGEST)));
        assert!(packets[0].len() <= LONGEST && packets[0].len() > LONGEST - 10);
        assert!(packets[0].ends_with("é [cut]"));
    }
}
