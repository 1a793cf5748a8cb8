//! The name that `ps` and `top` show for this process.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where Linux keeps the name, and lets a process change its own.
const NAME: &str = "/proc/self/comm";

/// Gives the process its program's name when it has a number instead: before Linux 6.14 a program that is
/// executed through a descriptor is called by that descriptor's number.
pub(super) fn repair() {
    let Ok(name) = std::fs::read_to_string(NAME) else {
        return; // no Linux, or no /proc: nothing to repair
    };
    let program = std::env::args_os().next().unwrap_or_default();
    if let Some(better) = better_name(name.trim_end(), &program) {
        // A wrong name harms nothing.
        std::fs::write(NAME, better).ok();
    }
}

fn better_name<'program>(name: &str, program: &'program OsStr) -> Option<&'program [u8]> {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let program = Path::new(program).file_name()?.as_bytes();
    is_number.then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_is_no_name() {
        let better = |name| better_name(name, OsStr::new("/usr/bin/server"));
        assert_eq!(better("5"), Some(&b"server"[..]));
        assert_eq!(better("server"), None);
        assert_eq!(better("7zip"), None);
        assert_eq!(better(""), None);
        assert_eq!(better_name("5", OsStr::new("")), None);
    }
}
