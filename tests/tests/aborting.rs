//! A program whose panics abort cannot have threads as workers: compiled as such, it says so and does not start.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

#[test]
fn a_program_whose_panics_abort_refuses_threads_and_says_why() {
    // Its own, as everything in it is compiled for the other kind of panic.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aborting");
    let built = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["build", "--offline", "--locked", "--package", "hello"])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_PROFILE_DEV_PANIC", "abort")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let mut hello = Command::new(target.join("debug/hello"));
    let refused = hello.args(["--threads", "2"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("panic = \"abort\""), "{error}");
    assert!(error.contains("let the workers be processes"), "{error}");
}
