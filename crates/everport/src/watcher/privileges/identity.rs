//! Becomes another user for good. Called between fork and exec, where the C library's functions that change all
//! threads of a process must not be.

use std::io;

use crate::watcher::Credentials;

/// What is reported when the way back to root is still open; no system call made here fails like this.
const NOT_FOR_GOOD: i32 = libc::ENOTRECOVERABLE;

fn not_for_good() -> io::Error {
    io::Error::from_raw_os_error(NOT_FOR_GOOD)
}

/// An error of a child's, in words if it is one of ours.
pub(in super::super) fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(NOT_FOR_GOOD) {
        return io::Error::other("it would not be for good: the way back to who we are is open");
    }
    error
}

/// What a process has become, and whether it can become root again.
struct Outcome<User, Group> {
    /// Whether all of its ids are those it was to have.
    is_complete: bool,
    become_root: User,
    enter_roots_group: Group,
}

impl<User, Group> Outcome<User, Group>
where
    User: FnOnce() -> bool,
    Group: FnOnce() -> bool,
{
    /// Root has no way back to go, and the group of whoever is root's is root's to choose.
    fn verify(self, credentials: &Credentials) -> io::Result<()> {
        let (is_root, is_roots_group) = (credentials.uid.is_root(), credentials.gid.is_root());
        let is_open =
            !is_root && ((self.become_root)() || !is_roots_group && (self.enter_roots_group)());
        if self.is_complete && !is_open {
            Ok(())
        } else {
            Err(not_for_good())
        }
    }
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod kernel {
    use std::io;

    use rustix::process::{Gid, Uid};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    };

    use super::{Credentials, Outcome};

    /// Groups first: whoever is no longer root cannot change them. Then it is made sure that there is no way
    /// back.
    pub(in super::super) fn assume(credentials: &Credentials) -> io::Result<()> {
        let (uid, gid) = (credentials.uid, credentials.gid);
        set_thread_groups(&credentials.groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        if !uid.is_root() {
            give_up_capabilities()?;
        }
        let (root, root_group) = (Uid::ROOT, Gid::ROOT);
        let outcome = Outcome {
            is_complete: is_all(uid, gid),
            become_root: || set_thread_res_uid(root, root, root).is_ok(),
            enter_roots_group: || set_thread_res_gid(root_group, root_group, root_group).is_ok(),
        };
        outcome.verify(credentials)
    }

    /// Nothing that is executed from now on gains privileges by being executed.
    pub(in super::super) fn gain_no_privileges() -> io::Result<()> {
        Ok(set_no_new_privs(true)?)
    }

    /// The kernel does this itself when root becomes somebody else; not when the watcher was never root, or has
    /// been told to keep them (capabilities(7), "securebits").
    fn give_up_capabilities() -> io::Result<()> {
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        Ok(set_capabilities(None, none)?)
    }

    /// Whether real, effective and saved ids are these.
    fn is_all(uid: Uid, gid: Gid) -> bool {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        // SAFETY: the kernel writes three plain numbers that outlive the calls.
        let users = unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) }
            == 0
            && [real, effective, saved] == [uid.as_raw(); 3];
        // SAFETY: as above.
        let groups = unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) }
            == 0
            && [real, effective, saved] == [gid.as_raw(); 3];
        users && groups
    }
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
mod posix {
    use std::io;

    use super::{Credentials, Outcome};

    /// Groups first: whoever is no longer root cannot change them. Root's `setgid` and `setuid` change the saved
    /// ids, too. Then it is made sure that there is no way back.
    pub(in super::super) fn assume(credentials: &Credentials) -> io::Result<()> {
        let (uid, gid) = (credentials.uid.as_raw(), credentials.gid.as_raw());
        let count = credentials.groups.len();
        // SAFETY: the groups are transparent numbers and outlive the call, which reads as many as there are.
        check(unsafe { libc::setgroups(count as _, credentials.groups.as_ptr().cast()) })?;
        // SAFETY: both change numbers of this process only, which has one thread: it is between fork and exec.
        check(unsafe { libc::setgid(gid) })?;
        // SAFETY: as above.
        check(unsafe { libc::setuid(uid) })?;
        // SAFETY: these only read numbers of this process.
        let ids = unsafe {
            [
                libc::getuid(),
                libc::geteuid(),
                libc::getgid(),
                libc::getegid(),
            ]
        };
        let outcome = Outcome {
            is_complete: ids == [uid, uid, gid, gid],
            // SAFETY: it is meant to fail; when it does not, the program is not executed.
            become_root: || unsafe { libc::setuid(0) } == 0,
            // SAFETY: as above.
            enter_roots_group: || unsafe { libc::setgid(0) } == 0,
        };
        outcome.verify(credentials)
    }

    /// Not every system knows this; where it is not known, set-user-id programs keep their power.
    #[allow(clippy::unnecessary_wraps, reason = "where it is known it can fail")]
    pub(in super::super) fn gain_no_privileges() -> io::Result<()> {
        Ok(())
    }

    fn check(result: libc::c_int) -> io::Result<()> {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(super) use kernel::{assume, gain_no_privileges};
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(super) use posix::{assume, gain_no_privileges};

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(user: &str, is_complete: bool, back: [bool; 2]) -> io::Result<()> {
        let [user_is_open, group_is_open] = back;
        let outcome = Outcome {
            is_complete,
            become_root: || user_is_open,
            enter_roots_group: || group_is_open,
        };
        outcome.verify(&Credentials::find(user, Some("4711")).unwrap())
    }

    #[test]
    fn a_way_back_to_root_is_an_error_in_words() {
        let another = "3999999999";
        verify(another, true, [false; 2]).unwrap();
        for (is_complete, back) in [
            (false, [false; 2]),
            (true, [true, false]),
            (true, [false, true]),
        ] {
            let error = explain(verify(another, is_complete, back).unwrap_err());
            assert!(error.to_string().contains("the way back"), "{error}");
        }
        // Who stays root has none to go.
        verify("0", true, [true; 2]).unwrap();
        let other = explain(io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(other.raw_os_error(), Some(libc::EPERM));
    }
}
