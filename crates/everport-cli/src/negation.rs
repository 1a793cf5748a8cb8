//! Every flag can be taken back: `--no-core-dumps` beats a file that says `core-dumps = true`.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::arguments::ABOUT_THE_FILE;

/// What the identity of a negation begins with; no field of an arguments struct has a blank in its name.
const MARK: &str = "not ";

/// Gives each flag its negation. They are not shown one by one: the help says once that they are there.
pub(crate) fn allow(command: Command) -> Command {
    let flags: Vec<(String, String)> = command
        .get_arguments()
        .filter(|flag| is_flag(flag))
        .filter_map(|flag| Some((flag.get_id().to_string(), flag.get_long()?.to_owned())))
        .collect();
    flags.into_iter().fold(command, |command, (id, long)| {
        let negation = Arg::new(identity_of(&id))
            .long(format!("no-{long}"))
            .action(ArgAction::SetTrue)
            .overrides_with(id)
            .hide(true);
        command.arg(negation)
    })
}

/// Whether it is given or not, and has no value.
pub(crate) fn is_flag(argument: &Arg) -> bool {
    let is_about_the_file = argument
        .get_long()
        .is_some_and(|long| ABOUT_THE_FILE.contains(&long));
    matches!(argument.get_action(), ArgAction::SetTrue) && !is_about_the_file
}

/// Whether it takes back a flag.
pub(crate) fn is_negation(argument: &Arg) -> bool {
    argument.get_id().as_str().starts_with(MARK)
}

/// Whether the command line takes back a flag.
pub(crate) fn is_given(flag: &str, given: &ArgMatches) -> bool {
    let identity = identity_of(flag);
    // An option that is no flag has no negation to ask for.
    matches!(given.try_get_one::<bool>(&identity), Ok(Some(true)))
}

fn identity_of(flag: &str) -> String {
    format!("{MARK}{flag}")
}
