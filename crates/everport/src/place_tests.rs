//! Which places are safe from somebody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// Nobody in particular: not who runs the tests, and in one group only, which no directory of the tests has.
fn somebody_else() -> Credentials {
    Credentials::find("3999999999", Some("3999999998")).unwrap()
}

/// A directory of our own whose whole path is safe, as that of a temporary directory should be.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn find(path: &Path) -> Result<(), UnsafePath> {
    Place::find(path, Some(&somebody_else())).map(drop)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn open_at(path: &Path) -> Result<(), UnsafePath> {
    let whom = somebody_else();
    let place = Place::find(path, Some(&whom))?;
    let flags = OFlags::WRONLY | OFlags::CREATE;
    place.check(place.open(flags, Mode::RUSR | Mode::WUSR).unwrap())
}

#[test]
fn a_directory_of_our_own_is_safe_and_one_that_others_may_write_to_is_not() {
    let directory = directory();
    let file = directory.path().join("log");
    open_at(&file).unwrap();
    assert!(file.exists());
    set_mode(directory.path(), 0o777);
    let error = find(&file).unwrap_err();
    assert!(
        matches!(&error, UnsafePath::Writable { directory: found, .. } if found == directory.path()),
        "{error}"
    );
    set_mode(directory.path(), 0o1777);
    find(&file).unwrap();
}

#[test]
fn a_directory_above_counts_as_well() {
    let directory = directory();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    find(&below.join("log")).unwrap();
    set_mode(directory.path(), 0o777);
    assert!(find(&below.join("log")).is_err());
    // Neither does it help to come back.
    assert!(find(&below.join("../../etc/passwd")).is_err());
}

#[test]
fn only_groups_that_the_other_has_count() {
    let directory = directory();
    set_mode(directory.path(), 0o770);
    find(&directory.path().join("log")).unwrap();
    let gid = fstat(fs::File::open(directory.path()).unwrap())
        .unwrap()
        .st_gid;
    let member = Credentials::find("3999999999", Some(&gid.to_string())).unwrap();
    assert!(Place::find(&directory.path().join("log"), Some(&member)).is_err());
}

#[test]
fn symbolic_links_of_ours_are_followed_to_directories_and_what_they_lead_to_is_looked_at() {
    let directory = directory();
    let (safe, open) = (directory.path().join("safe"), directory.path().join("open"));
    for path in [&safe, &open] {
        fs::create_dir(path).unwrap();
    }
    set_mode(&open, 0o777);
    for (name, target) in [("to-safe", "safe"), ("to-open", "open"), ("round", "round")] {
        symlink(target, directory.path().join(name)).unwrap();
    }
    symlink(&safe, directory.path().join("absolute")).unwrap();
    let find = |name: &str| find(&directory.path().join(name).join("log"));
    find("to-safe").unwrap();
    find("absolute").unwrap();
    find("to-safe/../to-safe").unwrap();
    assert!(matches!(find("to-open"), Err(UnsafePath::Writable { .. })));
    let error = find("round").unwrap_err();
    assert!(
        matches!(
            error,
            UnsafePath::System {
                errno: libc::ELOOP,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_with_another_name_is_not_ours_alone() {
    let directory = directory();
    let (precious, log) = (
        directory.path().join("precious"),
        directory.path().join("log"),
    );
    fs::write(&precious, "").unwrap();
    fs::hard_link(&precious, &log).unwrap();
    assert!(matches!(open_at(&log), Err(UnsafePath::OtherName { .. })));
}

#[test]
fn a_file_that_others_may_write_to_is_not_ours_alone() {
    let directory = directory();
    let file = directory.path().join("log");
    fs::write(&file, "").unwrap();
    set_mode(&file, 0o644);
    open_at(&file).unwrap();
    // The sticky bit means nothing for a file.
    for mode in [0o666, 0o1666, 0o602] {
        set_mode(&file, mode);
        let error = open_at(&file).unwrap_err();
        let is_named = matches!(&error, UnsafePath::WritableFile { path, .. } if *path == file);
        assert!(is_named, "{mode:o}: {error}");
    }
    // In a group that the other does not have nobody else can.
    set_mode(&file, 0o660);
    open_at(&file).unwrap();
}

/// As after `setfacl -m g:3999999998:rw` (acl(5)).
#[cfg(target_os = "linux")]
#[test]
fn a_file_with_an_access_list_that_lets_others_write_is_not_ours_alone() {
    use rustix::fs::{XattrFlags, setxattr};
    const NOBODY: u32 = u32::MAX;
    // Owner, group, another group, the upper bound, others: tag, permissions, id (linux/posix_acl_xattr.h).
    let entries = [
        (0x01_u16, 6_u16, NOBODY),
        (0x04, 0, NOBODY),
        (0x08, 6, 3_999_999_998),
        (0x10, 6, NOBODY),
        (0x20, 0, NOBODY),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    let directory = directory();
    let file = directory.path().join("log");
    fs::write(&file, "").unwrap();
    setxattr(&file, ACCESS_LIST, &list, XattrFlags::empty()).unwrap();
    assert!(matches!(
        open_at(&file),
        Err(UnsafePath::WritableFile { .. })
    ));
}

#[test]
fn devices_of_roots_are_safe() {
    open_at(Path::new("/dev/null")).unwrap();
}

#[test]
fn who_is_the_same_user_is_kept_from_nothing() {
    let directory = directory();
    set_mode(directory.path(), 0o777);
    let ourselves = Credentials::in_group("0").unwrap();
    let place = Place::find(&directory.path().join("log"), Some(&ourselves)).unwrap();
    assert!(place.keep_from.is_none());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = find(Path::new("/nonexistent/deep/log")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent: No such file"),
        "{error}"
    );
}
