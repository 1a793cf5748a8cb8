//! Notes which compiler this is built with: figures depend on it.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = said.unwrap_or_else(|_| "unknown compiler".to_owned());
    println!("cargo::rustc-env=EVERPORT_BENCH_COMPILER={version}");
}
