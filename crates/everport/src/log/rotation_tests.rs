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
        "log.2026-11-22.3",
        "log.2026-11-22.00003",
        "log.2026-11-22.18446744073709551615",
        "log.2026-11-22.99999999999999999999",
    ] {
        check(other, None);
    }
}

#[test]
fn the_next_name_is_free_and_after_all_of_our_own() {
    let base = OsStr::new("log");
    let check = |files: &[(&str, bool)], expected: &str| {
        let files: Vec<_> = files
            .iter()
            .map(|(name, is_ours)| (OsString::from(name), *is_ours))
            .collect();
        assert_eq!(Rotated::next(day(), &files, base).name(base), expected);
    };
    check(&[], "log.2026-11-22.0001");
    let mut files = vec![
        ("log.2026-11-21.0004", true),
        ("log.2026-11-22.0002.gz", true),
        ("log.2026-11-22.0009", true),
        ("other.2026-11-22.0070", true),
        ("log.2026-11-25.0001", false),
        ("log.2026-11-22.18446744073709551615", false),
    ];
    check(&files, "log.2026-11-22.0010");
    files.push(("log.2026-11-22.0010", false));
    files.push(("log.2026-11-22.0011.gz", false));
    check(&files, "log.2026-11-22.0012");
    // Named by a clock that was ahead.
    files.push(("log.2026-11-23.0050", true));
    check(&files, "log.2026-11-23.0051");
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

#[test]
fn what_somebody_still_appends_to_is_neither_compressed_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["log.2026-11-21.0001", "log.2026-11-22.0001"];
    make(&directory, &names);
    let open = |name| {
        let path = directory.path().join(name);
        let file = File::options().append(true).open(path).unwrap();
        mark_in_use(&file);
        file
    };
    let appending = names.map(open);
    tidy(&directory, 1, true).unwrap();
    check(&directory, &names);
    drop(appending);
    tidy(&directory, 1, true).unwrap();
    check(&directory, &["log.2026-11-22.0001.gz"]);
}

#[test]
fn one_file_that_cannot_be_tidied_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    make(
        &directory,
        &[
            "log.2026-11-20.0001",
            "log.2026-11-21.0001",
            "log.2026-11-22.0001",
        ],
    );
    std::fs::create_dir(directory.path().join("log.2026-11-22.0001.gz")).unwrap();
    tidy(&directory, 2, true).unwrap_err();
    check(
        &directory,
        &[
            "log.2026-11-21.0001.gz",
            "log.2026-11-22.0001",
            "log.2026-11-22.0001.gz",
        ],
    );
}

/// A group that is not the one that files of ours have by themselves, if we may give files to one.
fn another_group() -> Option<Gid> {
    if geteuid().is_root() {
        return Some(Gid::from_raw(3_999_999_998));
    }
    let own = rustix::process::getegid();
    let groups = rustix::process::getgroups().unwrap();
    groups.into_iter().find(|group| *group != own)
}

#[test]
fn a_compressed_file_has_the_group_and_the_mode_of_the_plain_one() {
    use std::os::unix::fs::MetadataExt;

    let Some(group) = another_group() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    make(&directory, &["log.2026-11-22.0001"]);
    let path = directory.path().join("log.2026-11-22.0001");
    let plain = File::open(&path).unwrap();
    fchown(&plain, None, Some(group)).unwrap();
    fchmod(&plain, Mode::from_raw_mode(0o640)).unwrap();
    tidy(&directory, 1, true).unwrap();
    let compressed = std::fs::metadata(path.with_extension("0001.gz")).unwrap();
    assert_eq!(compressed.gid(), group.as_raw());
    assert_eq!(compressed.mode() & 0o777, 0o640);
}
