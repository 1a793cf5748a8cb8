//! Writes rubbish into the ring that the worker shares with its watcher.

use std::error::Error;
use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use super::service::Parameters;

/// Where the data begins: `docs/protocol.md`.
const DATA: u64 = 4096;
/// Where the position is up to which records are committed.
const HEAD: u64 = 0;
/// Where the number of dropped records is.
const LOST: u64 = 8;

/// Spoils it in the way that the word `how` says. Whoever logs meanwhile may undo that: nobody should.
pub(super) async fn spoil(parameters: Parameters) -> String {
    let how = parameters.get("how").map_or("", String::as_str);
    match Ring::find().and_then(|ring| ring.spoil(how)) {
        Ok(()) => {
            ring_every_bell();
            "spoiled".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// The ring's is among them; the others wake up a runtime that finds nothing to do.
fn ring_every_bell() {
    for entry in fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_bell = fs::read_link(entry.path())
            .is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]");
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_bell) {
            // SAFETY: it has just been listed, and nothing in this worker closes such descriptors.
            let bell = unsafe { BorrowedFd::borrow_raw(number) };
            // One whose counter is full rings already.
            let _rings = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }
}

struct Ring {
    memory: File,
    start: u64,
    size: u64,
}

impl Ring {
    /// By its name among the process's mappings.
    fn find() -> Result<Self, Box<dyn Error>> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let line = maps.lines().find(|line| line.contains("everport-ring"));
        let range = line.and_then(|line| line.split(' ').next());
        let (start, end) = range
            .and_then(|range| range.split_once('-'))
            .ok_or("no ring")?;
        let start = u64::from_str_radix(start, 16)?;
        Ok(Self {
            memory: File::options()
                .read(true)
                .write(true)
                .open("/proc/self/mem")?,
            start,
            size: u64::from_str_radix(end, 16)? - start - DATA,
        })
    }

    fn spoil(&self, how: &str) -> Result<(), Box<dyn Error>> {
        match how {
            "head-too-far" => self.put(HEAD, self.head()? + self.size + 1),
            "head-behind" => self.put(HEAD, self.head()?.wrapping_sub(1)),
            "ten-lost" => self.put(LOST, 10),
            "nine-lost" => self.put(LOST, 9),
            "no-length" => self.commit(&0_u32.to_le_bytes()),
            "too-long" => self.commit(&u32::MAX.to_le_bytes()),
            "half-a-record" => self.commit(&[100, 0, 0, 0, 3]),
            "no-record" => self.commit(&[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            "no-text" => self.commit(&record_of(b"\xff\xfe")),
            "well" => self.commit(&record("a record by hand")),
            other => Err(format!("no such way: {other}").into()),
        }
    }

    fn head(&self) -> Result<u64, Box<dyn Error>> {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, self.start + HEAD)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn put(&self, at: u64, value: u64) -> Result<(), Box<dyn Error>> {
        Ok(self
            .memory
            .write_all_at(&value.to_le_bytes(), self.start + at)?)
    }

    /// Writes bytes at the head and moves it behind them.
    fn commit(&self, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        let head = self.head()?;
        for (position, byte) in (head..).zip(bytes) {
            let at = self.start + DATA + position % self.size;
            self.memory.write_all_at(&[*byte], at)?;
        }
        self.put(HEAD, head + bytes.len() as u64)
    }
}

/// A record as the protocol has it, with its length.
fn record(message: &str) -> Vec<u8> {
    record_of(message.as_bytes())
}

fn record_of(message: &[u8]) -> Vec<u8> {
    let mut record = vec![3, 0]; // information, whole
    record.extend(0_u64.to_le_bytes()); // the time
    record.extend(b"\x04hand"); // the thread
    record.extend(b"\x05rings"); // the target
    record.extend((message.len() as u32).to_le_bytes());
    record.extend(message);
    record.extend([0, 0]); // no fields
    record.push(0); // no spans
    let length = record.len() as u32;
    [&length.to_le_bytes()[..], &record].concat()
}
