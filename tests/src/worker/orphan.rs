//! A process whose parent has gone: whoever is process 1 has to reap it.

use std::io;
use std::process::{Command, Stdio};

/// Leaves an orphan behind and says what its process id is, as this process sees it.
pub(super) async fn leave() -> String {
    let parent = Command::new("/proc/self/exe")
        .args(["--orphan", "parent"])
        .output();
    parent.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Plays a part: the parent that leaves at once, or the child that ends when it has been left.
pub(super) fn play(part: &str) -> io::Result<()> {
    if part == "parent" {
        let child = Command::new("/proc/self/exe")
            .args(["--orphan", "child"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        println!("{}", child.id());
    } else {
        let parent = std::os::unix::process::parent_id();
        while std::os::unix::process::parent_id() == parent && parent != 1 {
            std::thread::yield_now();
        }
    }
    Ok(())
}
