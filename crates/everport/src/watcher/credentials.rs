//! Who the workers run as: a user and its groups, looked up once.

use std::ffi::CString;
use std::fmt;
use std::io;

use nix::unistd::{self, Group, User};
use rustix::process::{Gid, Uid, geteuid};

/// A user and all of its groups: who a process is to the kernel (credentials(7)). Looked up where the system keeps
/// its users, once; a change there counts for the next watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// For messages: `user www`.
    name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// The supplementary groups, with the primary one among them.
    pub(super) groups: Vec<Gid>,
}

/// Why nobody can be what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// No user has this name.
    #[error("no such user: {0} (give a name that `getent passwd` knows, or a number)")]
    NoSuchUser(String),
    /// No group has this name.
    #[error("no such group: {0} (give a name that `getent group` knows, or a number)")]
    NoSuchGroup(String),
    /// The user is a number that the system has no entry for, and no group was named.
    #[error("user {0} has no entry that tells its group (give --group, too)")]
    NoGroup(u32),
    /// The system could not look.
    #[error("cannot look up {name}")]
    System {
        /// What was looked for.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl Credentials {
    /// A user by name or number, with the groups it would have after a login. `group`, by name or number, takes
    /// the place of its primary group.
    ///
    /// # Errors
    /// When one of them is not known, or the user is a number without an entry and no group is given.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, CredentialsError> {
        let entry = user_called(user)?;
        let uid = match &entry {
            Some(entry) => entry.uid.as_raw(),
            None => number(user).ok_or_else(|| CredentialsError::NoSuchUser(user.to_owned()))?,
        };
        let name = format!("user {}", entry.as_ref().map_or(user, |entry| &entry.name));
        Self::of(name, uid, entry.as_ref(), group)
    }

    /// The user that this process is, in another group.
    ///
    /// # Errors
    /// When the group is not known.
    pub fn in_group(group: &str) -> Result<Self, CredentialsError> {
        let uid = geteuid().as_raw();
        let name = format!("user {uid} in group {group}");
        let entry = User::from_uid(uid.into()).map_err(|errno| failed(&name, errno))?;
        Self::of(name, uid, entry.as_ref(), Some(group))
    }

    fn of(
        name: String,
        uid: u32,
        entry: Option<&User>,
        group: Option<&str>,
    ) -> Result<Self, CredentialsError> {
        let gid = match (group, entry) {
            (Some(group), _) => group_called(group)?,
            (None, Some(entry)) => entry.gid.as_raw(),
            (None, None) => return Err(CredentialsError::NoGroup(uid)),
        };
        let groups = match entry {
            Some(entry) => groups_of(entry, gid)?,
            None => vec![Gid::from_raw(gid)],
        };
        Ok(Self {
            name,
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            groups,
        })
    }

    /// Whether a process with these credentials has the group.
    pub(crate) fn has_group(&self, gid: u32) -> bool {
        self.gid.as_raw() == gid || self.groups.iter().any(|group| group.as_raw() == gid)
    }

    /// Whether a process with these credentials is not the user that we are.
    pub(crate) fn is_another_user(&self) -> bool {
        self.uid != geteuid()
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A name comes first: there are names that are numbers.
fn user_called(user: &str) -> Result<Option<User>, CredentialsError> {
    let found = match (User::from_name(user), number(user)) {
        (Ok(None), Some(uid)) => User::from_uid(uid.into()),
        (found, _) => found,
    };
    found.map_err(|errno| failed(&format!("user {user}"), errno))
}

fn group_called(group: &str) -> Result<u32, CredentialsError> {
    let found =
        Group::from_name(group).map_err(|errno| failed(&format!("group {group}"), errno))?;
    found
        .map(|entry| entry.gid.as_raw())
        .or_else(|| number(group))
        .ok_or_else(|| CredentialsError::NoSuchGroup(group.to_owned()))
}

/// The groups of a login, with `gid` as the primary one (initgroups(3)).
fn groups_of(user: &User, gid: u32) -> Result<Vec<Gid>, CredentialsError> {
    let lookup = || -> nix::Result<_> {
        let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
        unistd::getgrouplist(&name, gid.into())
    };
    let groups =
        lookup().map_err(|errno| failed(&format!("the groups of {}", user.name), errno))?;
    Ok(groups
        .into_iter()
        .map(|group| Gid::from_raw(group.as_raw()))
        .collect())
}

/// The greatest number means "unchanged" to the kernel.
fn number(text: &str) -> Option<u32> {
    // The standard library's parser takes a sign, too.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number != u32::MAX)
}

fn failed(name: &str, errno: nix::Error) -> CredentialsError {
    CredentialsError::System {
        name: name.to_owned(),
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Result<Credentials, CredentialsError>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn a_user_is_known_by_name_and_by_number() {
        let root = Credentials::find("root", None).unwrap();
        assert_eq!((root.uid.as_raw(), root.gid.as_raw()), (0, 0));
        assert_eq!(root, Credentials::find("0", None).unwrap());
        assert!(root.has_group(0) && !root.has_group(4711));
        assert_eq!(root.to_string(), "user root");
    }

    #[test]
    fn a_group_takes_the_place_of_the_primary_one() {
        let root = Credentials::find("root", Some("4711")).unwrap();
        assert_eq!((root.uid.as_raw(), root.gid.as_raw()), (0, 4711));
        assert!(root.has_group(4711));
        let ours = Credentials::in_group("4711").unwrap();
        assert!(ours.has_group(4711) && !ours.is_another_user());
    }

    #[test]
    fn a_number_without_an_entry_needs_a_group() {
        let number = "3999999999";
        let found = Credentials::find(number, Some("4711")).unwrap();
        assert_eq!(found.groups, [Gid::from_raw(4711)]);
        let error = text(Credentials::find(number, None));
        assert!(
            error.contains(number) && error.contains("--group"),
            "{error}"
        );
    }

    #[test]
    fn the_unknown_is_named() {
        let error = text(Credentials::find("no-such-user", None));
        assert!(error.contains("no such user: no-such-user"), "{error}");
        let error = text(Credentials::find("root", Some("no-such-group")));
        assert!(error.contains("no such group: no-such-group"), "{error}");
        for nobody in ["", "-1", "+0", "4294967295", "a:b"] {
            assert!(Credentials::find(nobody, None).is_err(), "{nobody:?}");
            assert!(
                Credentials::find("root", Some(nobody)).is_err(),
                "{nobody:?}"
            );
        }
    }
}
