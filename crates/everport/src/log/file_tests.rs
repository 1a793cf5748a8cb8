//! Log files that are opened, opened anew, and rotated.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tempfile::TempDir;

use super::*;

fn directory_and_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    (directory, path)
}

fn write(log: &mut OpenFile, text: &str) {
    log.make_room(text.len());
    let mut file = log.file();
    file.write_all(text.as_bytes()).unwrap();
    log.wrote(text.len());
}

/// The names in a directory, sorted, without that of the log itself.
fn rotated(directory: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "log").collect();
    names.sort();
    names
}

fn finish_tidying(log: &mut OpenFile) {
    if let Some(thread) = log.tidying.take() {
        thread.join().unwrap().unwrap();
    }
}

/// Says that the file was written to so many days ago, as if it had been.
fn age(log: &mut OpenFile, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    log.file().set_modified(then).unwrap();
    log.day = day_of(log.file());
}

fn today() -> Day {
    Day::of(SystemTime::now())
}

#[test]
fn a_star_becomes_the_process_id() {
    let check = |path: &str, expected: &str| {
        assert_eq!(path_with_pid(Path::new(path), 4711), Path::new(expected));
    };
    check("/var/log/everport.log", "/var/log/everport.log");
    check("/var/log/everport-*.log", "/var/log/everport-4711.log");
    check("*/*", "4711/4711");
}

#[test]
fn a_symbolic_link_is_never_followed() {
    let (directory, target) = directory_and_path();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let error = OpenFile::open(LogFile::at(&link)).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(!target.exists());
}

#[test]
fn what_somebody_else_could_redirect_is_refused_and_a_device_is_not() {
    let whom = Credentials::find("3999999999", Some("3999999998")).unwrap();
    let (directory, path) = directory_and_path();
    let wanted = LogFile::at(&path).kept_from(&whom);
    let mut log = OpenFile::open(wanted.clone()).unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let error = OpenFile::open(wanted).unwrap_err();
    assert!(matches!(error, OpenLogError::Unsafe(_)), "{error}");
    assert!(!log.reopen());
    assert!(
        log.take_remarks()[0]
            .text
            .contains("user 3999999999 can change what is in")
    );
    OpenFile::open(LogFile::at("/dev/null").kept_from(&whom)).unwrap();
}

#[test]
fn a_fifo_without_reader_is_an_error() {
    let (_directory, path) = directory_and_path();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    let error = OpenFile::open(LogFile::at(&path)).unwrap_err();
    assert!(error.to_string().contains("nobody reads"), "{error}");
}

#[test]
fn what_is_not_a_file_cannot_be_rotated() {
    let error = OpenFile::open(LogFile::at("/dev/null").rotate_daily()).unwrap_err();
    assert!(
        matches!(error, OpenLogError::NotRotatable { .. }),
        "{error}"
    );
}

#[test]
fn a_file_is_appended_to() {
    let (_directory, path) = directory_and_path();
    std::fs::write(&path, "before\n").unwrap();
    let mut log = OpenFile::open(LogFile::at(&path)).unwrap();
    write(&mut log, "after\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
}

#[test]
fn a_file_that_was_renamed_is_made_anew_when_asked_to() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path)).unwrap();
    write(&mut log, "one\n");
    let aside = directory.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    write(&mut log, "two\n");
    assert!(log.reopen());
    write(&mut log, "three\n");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn a_file_that_cannot_be_made_anew_is_written_on() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path)).unwrap();
    let aside = directory.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(!log.reopen());
    write(&mut log, "still here\n");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), "still here\n");
    let remarks = log.take_remarks();
    assert_eq!(remarks.len(), 1);
    assert!(
        remarks[0].text.contains("goes on in the file that is open"),
        "{remarks:?}"
    );
}

#[test]
fn a_file_is_rotated_before_it_becomes_too_large() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(10)).unwrap();
    for text in ["1234\n", "5678\n", "9\n", "longer than ten\n", "end\n"] {
        write(&mut log, text);
    }
    let day = today();
    let names = [1, 2, 3].map(|number| format!("log.{day}.000{number}"));
    assert_eq!(rotated(&directory), names);
    let read = |name: &String| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(
        names.each_ref().map(read),
        ["1234\n5678\n", "9\n", "longer than ten\n"]
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "end\n");
    assert!(log.take_remarks().is_empty());
}

#[test]
fn a_file_that_is_there_counts_towards_its_size() {
    let (directory, path) = directory_and_path();
    std::fs::write(&path, "from before\n").unwrap();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(10)).unwrap();
    write(&mut log, "new\n");
    assert_eq!(rotated(&directory).len(), 1);
}

#[test]
fn a_file_is_rotated_on_a_new_day_and_named_by_the_old_one() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_daily()).unwrap();
    write(&mut log, "old\n");
    write(&mut log, "old\n");
    age(&mut log, 3);
    let day = log.day;
    write(&mut log, "new\n");
    assert_eq!(rotated(&directory), [format!("log.{day}.0001")]);
    assert!(day < today());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
}

#[test]
fn an_empty_file_is_not_rotated() {
    let (directory, path) = directory_and_path();
    let wanted = LogFile::at(&path).rotate_daily().rotate_size(1);
    let mut log = OpenFile::open(wanted).unwrap();
    age(&mut log, 3);
    write(&mut log, "new\n");
    assert!(rotated(&directory).is_empty());
}

#[test]
fn who_could_read_the_log_can_read_the_next_one() {
    let (_directory, path) = directory_and_path();
    std::fs::write(&path, "old\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(1)).unwrap();
    write(&mut log, "new\n");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn what_cannot_be_rotated_grows_on_and_that_is_told_once() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(4)).unwrap();
    // The thread that tidied at the start is to find the directory. Once it is done, a write would take its result.
    let tidied = log.tidying.take().map(JoinHandle::join);
    assert!(matches!(tidied, Some(Ok(Ok(())))));
    write(&mut log, "one\n");
    // Not even root can make files where there is no directory.
    let moved = directory.path().with_extension("moved");
    std::fs::rename(directory.path(), &moved).unwrap();
    write(&mut log, "two\n");
    write(&mut log, "three\n");
    let grown = std::fs::read_to_string(moved.join("log")).unwrap();
    assert_eq!(grown, "one\ntwo\nthree\n");
    let remarks = log.take_remarks();
    assert_eq!(remarks.len(), 1);
    assert!(
        remarks[0].text.contains("tried again every minute"),
        "{remarks:?}"
    );
    std::fs::rename(&moved, directory.path()).unwrap();
    log.not_before = Some(Instant::now());
    write(&mut log, "four\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    assert_eq!(rotated(&directory).len(), 1);
}

#[test]
fn a_file_that_somebody_else_has_rotated_is_not_rotated_again() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(4)).unwrap();
    write(&mut log, "one\n");
    std::fs::rename(&path, directory.path().join("theirs")).unwrap();
    write(&mut log, "two\n");
    assert_eq!(rotated(&directory), ["theirs"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
}

#[test]
fn a_file_that_somebody_has_truncated_is_not_rotated_for_what_it_was() {
    let (directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(8)).unwrap();
    write(&mut log, "one\ntwo\n");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    write(&mut log, "three\n");
    assert!(rotated(&directory).is_empty());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn so_many_rotated_files_are_kept_and_compressed() {
    let (directory, path) = directory_and_path();
    let wanted = LogFile::at(&path).rotate_size(4).keep(2).compress();
    let mut log = OpenFile::open(wanted).unwrap();
    for text in ["one\n", "two\n", "three\n", "four\n"] {
        write(&mut log, text);
        finish_tidying(&mut log);
    }
    let day = today();
    let names = [2, 3].map(|number| format!("log.{day}.000{number}.gz"));
    assert_eq!(rotated(&directory), names);
    let compressed = File::open(directory.path().join(&names[1])).unwrap();
    let text = io::read_to_string(flate2::read::GzDecoder::new(compressed)).unwrap();
    assert_eq!(text, "three\n");
}

#[test]
fn only_what_was_written_last_is_taken_back() {
    let (_directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path)).unwrap();
    write(&mut log, "whole\nto");
    assert!(log.take_back(2));
    write(&mut log, "next\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nnext\n");
    let mut other = File::options().append(true).open(&path).unwrap();
    other.write_all(b"somebody else's\n").unwrap();
    assert!(!log.take_back(2));
}

#[test]
fn what_another_watcher_writes_to_a_file_that_was_rotated_is_kept() {
    let (directory, path) = directory_and_path();
    let wanted = LogFile::at(&path).rotate_size(8).keep(1).compress();
    let mut one = OpenFile::open(wanted.clone()).unwrap();
    let mut other = OpenFile::open(wanted).unwrap();
    write(&mut one, "12345\n");
    write(&mut one, "next\n");
    finish_tidying(&mut one);
    write(&mut other, "more\n");
    let name = format!("log.{}.0001", today());
    assert_eq!(rotated(&directory), [name.as_str()]);
    let read = |name| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read(&name), "12345\nmore\n");
    // It finds out when it would rotate itself.
    write(&mut other, "and more\n");
    finish_tidying(&mut other);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "next\nand more\n");
}

#[test]
fn a_clock_that_was_ahead_removes_nothing_new() {
    let (directory, path) = directory_and_path();
    let ahead = directory.path().join("log.2099-01-01.0001");
    std::fs::write(&ahead, "old\n").unwrap();
    let wanted = LogFile::at(&path).rotate_size(4).keep(1);
    let mut log = OpenFile::open(wanted).unwrap();
    finish_tidying(&mut log);
    write(&mut log, "one\n");
    write(&mut log, "two\n");
    finish_tidying(&mut log);
    assert_eq!(rotated(&directory), ["log.2099-01-01.0002"]);
    let kept = ahead.with_extension("0002");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "one\n");
}

#[test]
fn names_that_others_have_taken_do_not_stop_rotation() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (directory, path) = directory_and_path();
    let numbers = (1..=u64::from(ATTEMPTS) + 1).chain([u64::MAX]);
    for number in numbers {
        let theirs = directory
            .path()
            .join(format!("log.{}.{number:04}", today()));
        std::fs::write(&theirs, "").unwrap();
        std::os::unix::fs::chown(&theirs, Some(3_999_999_999), None).unwrap();
    }
    let mut log = OpenFile::open(LogFile::at(&path).rotate_size(4)).unwrap();
    write(&mut log, "one\n");
    write(&mut log, "two\n");
    let ours = directory.path().join(format!("log.{}.0018", today()));
    assert_eq!(std::fs::read_to_string(ours).unwrap(), "one\n");
}

#[test]
fn a_file_that_nobody_has_exchanged_is_not_another_one() {
    let (_directory, path) = directory_and_path();
    let mut log = OpenFile::open(LogFile::at(&path)).unwrap();
    assert!(!log.reopen());
    std::fs::remove_file(&path).unwrap();
    assert!(log.reopen());
}

#[cfg(feature = "cli")]
#[test]
fn a_look_finds_what_opening_would_find_and_makes_nothing() {
    let (directory, path) = directory_and_path();
    let beside = |name: &str| directory.path().join(name);
    let [fifo, link] = ["fifo", "link"].map(beside);
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for fine in [
        path.as_path(),
        Path::new("/dev/stdout"),
        Path::new("/dev/null"),
        &fifo,
    ] {
        LogFile::at(fine).look().unwrap();
    }
    LogFile::at(&path).rotate_daily().look().unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "before\n").unwrap();
    LogFile::at(&path).rotate_daily().look().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\n");
    // Linux lets nobody write to a program that runs.
    let running = std::env::current_exe().unwrap();
    for refused in [
        directory.path(),
        &link,
        &beside("no/log"),
        &path.join("log"),
        &running,
    ] {
        let error = LogFile::at(refused).look().unwrap_err();
        assert!(matches!(error, OpenLogError::File { .. }), "{error}");
    }
    for not_a_file in [Path::new("/dev/stdout"), Path::new("/dev/null"), &fifo] {
        let error = LogFile::at(not_a_file).rotate_daily().look().unwrap_err();
        assert!(
            matches!(error, OpenLogError::NotRotatable { .. }),
            "{error}"
        );
    }
}

#[cfg(feature = "cli")]
#[test]
fn a_look_finds_a_file_that_workers_can_write_to() {
    let whom = Credentials::find("3999999999", Some("3999999998")).unwrap();
    let (_directory, path) = directory_and_path();
    let wanted = LogFile::at(&path).kept_from(&whom);
    std::fs::write(&path, "").unwrap();
    wanted.look().unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    let error = wanted.look().unwrap_err();
    assert!(matches!(error, OpenLogError::Unsafe(_)), "{error}");
}
