//! The command under test, built as users build it.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Refuses to measure what nobody runs.
pub(crate) fn check_profile() -> anyhow::Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "a debug build measures nothing: run `cargo run --release -p everport-bench -- all`"
    );
    Ok(())
}

/// Builds the `everport` command, so that no stale one is measured. Cargo says where it is when it runs
/// us; without Cargo the command must be there already.
pub(crate) fn build_command() -> anyhow::Result<()> {
    let Some(cargo) = env::var_os("CARGO") else {
        return check_command();
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let arguments = ["build", "--release", "--quiet", "-p", "everport-cli"];
    let status = Command::new(cargo)
        .args(arguments)
        .arg("--manifest-path")
        .arg(workspace)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the everport command does not build");
    Ok(())
}

fn check_command() -> anyhow::Result<()> {
    let own = env::current_exe().context("cannot find this program")?;
    ensure!(
        own.with_file_name("everport").is_file(),
        "the command is not built: run `cargo build --release -p everport-cli`"
    );
    Ok(())
}
