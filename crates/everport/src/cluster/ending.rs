//! Ends the process when nothing else does.

/// The exit code of a worker that was still there when the time for its drain and its hooks was over
/// (`EX_SOFTWARE` of sysexits).
pub(crate) const OVERDUE: i32 = 70;

/// How a worker is ended: the process for a real one.
pub(crate) type End = Box<dyn FnOnce(i32) + Send>;

/// Ends the process at once. Handlers that run at exit are passed over: they may wait for the very
/// threads that hang.
pub(crate) fn end_process(code: i32) {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}
