//! The text of entries that say what is missing.

use std::fmt;

use super::Lost;
use super::describe::Who;
use super::escape::escape;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.count == 1 { "record" } else { "records" };
        write!(
            f,
            "{} {noun} lost by {}: its ring was full (raise --log-buffer, or log less)",
            Grouped(self.count),
            Who(self.source.worker, self.source.slot)
        )
    }
}

/// Entries of any kind that are missing, and why.
pub(super) struct LostEntries<'a> {
    pub(super) count: u64,
    pub(super) cause: &'a str,
}

impl fmt::Display for LostEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.count == 1 { "entry" } else { "entries" };
        let cause = escape(self.cause);
        write!(f, "{} {noun} lost: {cause}", Grouped(self.count))
    }
}

/// A number with its digits in groups of three: `1,234`.
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.0 % 1000];
        let mut rest = self.0 / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        write!(f, "{}", groups.pop().unwrap_or_default())?;
        groups
            .iter()
            .rev()
            .try_for_each(|group| write!(f, ",{group:03}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Source;
    use crate::{Generation, SlotId, WorkerId};

    #[test]
    fn lost_entries_are_counted_in_words() {
        let check = |count, expected: &str| {
            let cause = "the log's reader did not keep up";
            let text = LostEntries { count, cause }.to_string();
            assert_eq!(text, format!("{expected}: {cause}"));
        };
        check(0, "0 entries lost");
        check(1, "1 entry lost");
        check(12, "12 entries lost");
        check(1_000, "1,000 entries lost");
        check(123_456, "123,456 entries lost");
        check(1_234_007, "1,234,007 entries lost");
        let cause = "cannot write\nthe log";
        let text = LostEntries { count: 2, cause }.to_string();
        assert_eq!(text, "2 entries lost: cannot write\\nthe log");
        check(u64::MAX, "18,446,744,073,709,551,615 entries lost");
    }

    #[test]
    fn lost_records_name_their_worker_and_the_way_out() {
        let lost = |count| Lost {
            source: Source {
                worker: WorkerId(3),
                slot: SlotId(2),
                generation: Generation(1),
                pid: 4711,
            },
            count,
        };
        assert_eq!(
            lost(12_345).to_string(),
            "12,345 records lost by worker 3 (slot 2): its ring was full (raise --log-buffer, or log less)"
        );
        assert!(lost(1).to_string().starts_with("1 record lost by worker 3"));
    }
}
