//! Who could not be measured, and why.

use crate::table::Table;

/// Those who are not installed, those for whom a measurement makes no sense, and those who failed on the way.
pub(crate) struct Absent {
    table: Table,
}

impl Absent {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new("Not measured, or not to the end", &["subject", "why"]),
        }
    }

    pub(crate) fn note(&mut self, subject: &str, why: &str) {
        self.table.row([subject.into(), why.into()]);
    }

    /// Lists other people's failure, so that it takes nothing with it that was measured. One of ours is an error.
    pub(crate) fn excuse(
        &mut self,
        subject: &str,
        is_ours: bool,
        measured: anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match measured {
            Err(error) if !is_ours => {
                self.note(subject, &failure(subject, &error));
                Ok(())
            }
            measured => measured,
        }
    }

    pub(crate) fn into_table(self) -> Table {
        self.table
    }
}

/// An error as it fits into a table. All of it, with what a program has said, goes to stderr.
pub(crate) fn failure(subject: &str, error: &anyhow::Error) -> String {
    let error = format!("{error:#}");
    eprintln!("{subject} failed: {error}");
    let line = error.lines().next().unwrap_or_default();
    format!("failed: {}", line.trim_end_matches(':'))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn others_failures_are_listed_and_ours_are_errors() {
        let mut absent = Absent::new();
        let broken = || Err(anyhow!("it has ended:\nits log\nand more"));
        absent.excuse("theirs", false, broken()).unwrap();
        absent.excuse("theirs", false, Ok(())).unwrap();
        assert!(absent.excuse("ours", true, broken()).is_err());
        let listed = absent.into_table().to_string();
        assert!(
            listed.contains("| theirs  | failed: it has ended |"),
            "{listed}"
        );
        assert!(
            !listed.contains("log") && !listed.contains("ours"),
            "{listed}"
        );
    }
}
