//! Whether we may signal workers once they are somebody else: who may change users need not be allowed to.

use rustix::process::{geteuid, getuid};

use crate::watcher::Credentials;

/// Whether the kernel lets us signal processes of that user (kill(2)).
pub(in super::super) fn may_signal(credentials: &Credentials) -> bool {
    [getuid(), geteuid()].contains(&credentials.uid) || may_signal_everybody()
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn may_signal_everybody() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::KILL))
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
fn may_signal_everybody() -> bool {
    geteuid().is_root()
}
