//! Whether any child has been stopped or continued, by one system call: of a thousand workers each would cost one.

/// "Yes" also when the system does not say. Leaves the news to whoever asks the child itself.
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) fn may_have_stopped() -> bool {
    // SAFETY: an all-zero siginfo is valid, and waitid fills it in; WNOWAIT leaves the child as it is.
    let (result, pid) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT;
        let result = libc::waitid(libc::P_ALL, 0, &raw mut info, options);
        (result, info.si_pid())
    };
    result != 0 || pid != 0
}

#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) fn may_have_stopped() -> bool {
    true
}
