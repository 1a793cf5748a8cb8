//! Completions for shells, from the definition of the command line.

use clap::{Arg, ValueHint};
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
    let mut command = definition().mut_subcommands(|command| command.mut_args(without_files));
    generate(shell, &mut command, "everport", &mut script);
    Some(script)
}

/// A shell proposes files for every value of which it knows nothing: for a number, that is worse than nothing.
fn without_files(option: Arg) -> Arg {
    let is_unknown = option.get_value_hint() == ValueHint::Unknown;
    let takes_any = option.get_action().takes_values() && option.get_possible_values().is_empty();
    match is_unknown && takes_any {
        true => option.value_hint(ValueHint::Other),
        false => option,
    }
}
