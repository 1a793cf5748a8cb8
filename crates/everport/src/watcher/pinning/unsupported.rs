//! Where the system lets nobody choose.

use std::io;

/// Always an error.
pub(super) fn allowed() -> io::Result<Vec<usize>> {
    let error = "this system has no way to do that";
    Err(io::Error::new(io::ErrorKind::Unsupported, error))
}

/// Always an error, and never called: nobody knows a CPU.
pub(super) fn run_on(_cpu: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
