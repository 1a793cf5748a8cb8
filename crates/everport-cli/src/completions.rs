//! Completions for shells, from the definition of the command line.

use clap_complete::{Shell, generate};

use crate::arguments::definition;

/// The script for a shell; `None` for one that is not known, which the command line does not let through.
pub(crate) fn script(shell: &str) -> Option<Vec<u8>> {
    let shell = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => return None,
    };
    let mut script = Vec::new();
    generate(shell, &mut definition(), "everport", &mut script);
    Some(script)
}
