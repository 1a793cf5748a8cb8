//! What a worker leaves in its ring: its records, and the memory they lie in.

use crate::log::{Formatter, LogFormat, Records, Source};
use crate::record::Record;
use crate::{Generation, SlotId, WorkerId};

/// One record: exactly a record or an error, and a record can be read to its end.
///
/// # Panics
/// When parts of a record that was read are not there, or not in the log.
pub fn record(bytes: &[u8]) {
    let Ok(record) = Record::decode(bytes) else {
        return;
    };
    let fields = record.fields.count();
    let spans: Vec<usize> = record.spans.map(|span| span.fields.count()).collect();
    assert!(fields + spans.len() <= bytes.len());
    // As a batch of one it is taken, too, and as half a batch it is not.
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    let batch = [&length.to_le_bytes(), bytes].concat();
    let half = batch[..batch.len() - 1].to_vec();
    assert!(Records::check(SOURCE, half, None).is_err());
    let records = Records::check(SOURCE, batch, None);
    assert_eq!(records.map(|records| records.iter().count()).ok(), Some(1));
    check_forms(&record);
}

/// In every form of the log a record is lines of its own with nothing but text in them, and JSON has all of it.
fn check_forms(record: &Record<'_>) {
    let form = |format| {
        let mut out = Vec::new();
        Formatter::new(format, "watcher").push_record(&mut out, Some(&SOURCE), record);
        String::from_utf8(out).expect("UTF-8")
    };
    let is_text = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    let (plain, json) = (form(LogFormat::Plain), form(LogFormat::Json));
    assert!(plain.chars().all(is_text) && json.chars().all(is_text));
    let are_its_own = |line: &str| line.get(31..).is_some_and(|line| line.starts_with("0.1  "));
    assert!(plain.ends_with('\n') && plain.lines().all(are_its_own));
    assert_eq!(json.find('\n'), Some(json.len() - 1));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["message"], record.message);
    assert_eq!(
        json["spans"].as_array().map(Vec::len),
        Some(record.spans.count())
    );
}

const SOURCE: Source = Source {
    worker: WorkerId(1),
    slot: SlotId(0),
    generation: Generation(1),
    pid: 1,
};

/// A ring whose head is the first 8 bytes (little-endian) and whose data begins with the others: what is taken of it is
/// whole records, once each, or the ring is refused.
///
/// # Panics
/// When anything else is taken, or more than there is.
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub fn ring(bytes: &[u8]) {
    let Some((head, data)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let mut consumer = crate::ring::filled(u64::from_le_bytes(*head), data);
    let Ok(look) = consumer.look() else {
        return;
    };
    let mut taken = Vec::new();
    loop {
        let before = consumer.tail();
        match consumer.take(look.head) {
            Ok(records) if records.is_empty() => {
                assert_eq!(before, look.head);
                break;
            }
            Ok(records) => {
                assert_eq!(before + records.len() as u64, consumer.tail());
                taken.extend(records);
            }
            Err(_) => break,
        }
    }
    let mut expected = data.to_vec();
    expected.resize(taken.len().max(data.len()), 0);
    assert_eq!(taken, expected[..taken.len()]);
    assert!(taken.len() as u64 <= look.head);
}

/// There are no rings here.
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub fn ring(_bytes: &[u8]) {}
