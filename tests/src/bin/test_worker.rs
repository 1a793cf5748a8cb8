//! A worker that serves, and misbehaves when told to: a process, or with `--threads` a thread.

use std::error::Error;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    everport_tests::worker::main()
}
