//! Where tests put Unix sockets, whose paths the system limits.

use std::path::PathBuf;

use tempfile::TempDir;

/// How long the path of the usual directory may be: a socket's whole path has 108 bytes.
const LONGEST: usize = 60;

/// A temporary directory with a path that is short enough for sockets in it, wherever the usual ones are.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn socket_directory() -> TempDir {
    let mut parent = std::env::temp_dir();
    if parent.as_os_str().len() > LONGEST {
        parent = PathBuf::from("/tmp");
    }
    tempfile::tempdir_in(parent).expect("a temporary directory")
}
