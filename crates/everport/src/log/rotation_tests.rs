//! Rotated files: which is which, and what becomes of them.

use std::path::Path;

use tempfile::TempDir;

use super::*;

fn day() -> Day {
    Day::parse("2026-11-22").unwrap()
}

fn make(directory: &TempDir, names: &[&str]) {
    for name in names {
        std::fs::write(directory.path().join(name), format!("text of {name}\n")).unwrap();
    }
}

#[track_caller]
fn check(directory: &TempDir, expected: &[&str]) {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, expected);
}

fn tidy(directory: &TempDir, keep: usize, compress: bool) -> Result<(), TidyError> {
    let path = directory.path().join("log");
    Tidying { keep, compress }
        .start(path, None)
        .unwrap()
        .join()
        .unwrap()
}

fn unpacked(path: &Path) -> String {
    let file = File::open(path).unwrap();
    io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap()
}

#[test]
fn names_tell_day_and_number_and_are_told_from_others() {
    let base = OsStr::new("log");
    let check = |name: &str, expected: Option<(u64, &str)>| {
        let parsed = Rotated::parse(OsStr::new(name), base);
        let expected = expected.map(|(number, suffix)| {
            let day = day();
            (Rotated { day, number }, suffix.as_bytes())
        });
        assert_eq!(parsed, expected, "{name}");
    };
    check("log.2026-11-22.0003", Some((3, "")));
    check("log.2026-11-22.12345", Some((12345, "")));
    check("log.2026-11-22.0003.gz", Some((3, "gz")));
    check(
        "log.2026-11-22.0003.gz.unfinished",
        Some((3, "gz.unfinished")),
    );
    for other in [
        "log",
        "log.1",
        "log.2026-11-22",
        "log.2026-11-22.",
        "log.2026-11-22.x",
        "log.2026-11-22.1x",
        "log.2026-13-22.0001",
        "log.20é6-11-22.0001",
        "logs.2026-11-22.0001",
        "log.2026-11-22.99999999999999999999",
    ] {
        check(other, None);
    }
}

#[test]
fn the_next_number_is_after_all_of_that_day() {
    let base = OsStr::new("log");
    let names = [
        "log.2026-11-22.0002.gz",
        "log.2026-11-22.0009",
        "log.2026-11-23.0050",
        "other.2026-11-22.0070",
    ];
    let next = Rotated::next(day(), &names.map(OsString::from), base);
    assert_eq!(next.name(base), "log.2026-11-22.0010");
    assert_eq!(next.following().name(base), "log.2026-11-22.0011");
}

#[test]
fn the_oldest_are_removed_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    make(
        &directory,
        &[
            "log",
            "log.2026-11-20.0001",
            "log.2026-11-21.0001.gz",
            "log.2026-11-21.0002",
            "log.2026-11-22.0001",
            "log.old",
            "other.2026-11-20.0001",
        ],
    );
    std::os::unix::fs::symlink("nowhere", directory.path().join("log.2026-11-19.0001")).unwrap();
    tidy(&directory, 3, false).unwrap();
    check(
        &directory,
        &[
            "log",
            "log.2026-11-19.0001",
            "log.2026-11-21.0001.gz",
            "log.2026-11-21.0002",
            "log.2026-11-22.0001",
            "log.old",
            "other.2026-11-20.0001",
        ],
    );
}

#[test]
fn compressed_files_hold_what_was_in_them_and_are_as_old() {
    let directory = tempfile::tempdir().unwrap();
    make(
        &directory,
        &["log", "log.2026-11-21.0001", "log.2026-11-22.0001"],
    );
    let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let plain = File::options()
        .write(true)
        .open(directory.path().join("log.2026-11-21.0001"));
    plain.unwrap().set_modified(then).unwrap();
    tidy(&directory, 7, true).unwrap();
    check(
        &directory,
        &["log", "log.2026-11-21.0001.gz", "log.2026-11-22.0001.gz"],
    );
    let path = directory.path().join("log.2026-11-21.0001.gz");
    assert_eq!(unpacked(&path), "text of log.2026-11-21.0001\n");
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), then);
}

#[test]
fn what_a_crash_left_unfinished_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    make(
        &directory,
        &[
            "log.2026-11-21.0001",
            "log.2026-11-21.0001.gz.unfinished",
            // Whole, but its plain form was not removed any more.
            "log.2026-11-22.0001",
            "log.2026-11-22.0001.gz",
        ],
    );
    tidy(&directory, 2, true).unwrap();
    check(
        &directory,
        &["log.2026-11-21.0001.gz", "log.2026-11-22.0001.gz"],
    );
    for name in ["log.2026-11-21.0001", "log.2026-11-22.0001"] {
        let path = directory.path().join(format!("{name}.gz"));
        assert_eq!(unpacked(&path), format!("text of {name}\n"));
    }
}

#[test]
fn what_cannot_be_compressed_stays_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    make(&directory, &["log.2026-11-22.0001"]);
    std::fs::create_dir(directory.path().join("log.2026-11-22.0001.gz")).unwrap();
    let error = tidy(&directory, 7, true).unwrap_err();
    assert!(error.to_string().contains("it stays as it is"), "{error}");
    check(
        &directory,
        &["log.2026-11-22.0001", "log.2026-11-22.0001.gz"],
    );
}
