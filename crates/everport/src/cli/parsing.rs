//! Command lines for tests.

use clap::Parser;

pub(super) fn parse<P: Parser>(text: &str) -> Result<P, String> {
    let words = std::iter::once("server").chain(text.split_whitespace());
    P::try_parse_from(words).map_err(|error| error.to_string())
}

#[track_caller]
pub(super) fn check_refused<P: Parser>(text: &str, expected: &str) {
    match parse::<P>(text) {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => assert!(error.contains(expected), "{text}: {error}"),
    }
}
