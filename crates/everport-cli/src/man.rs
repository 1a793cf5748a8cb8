//! The manual page: options from the definition of the command line, the rest from the same tables as the help.

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::arguments::definition;
use crate::reference::{CONFIGURATION, EXAMPLE_FILE, EXAMPLES, EXIT_CODES, SIGNALS};

/// Writes everport(1).
pub(crate) fn page() -> io::Result<Vec<u8>> {
    let definition = definition();
    let run = definition.find_subcommand("run").cloned();
    let options = Man::new(run.unwrap_or_default());
    let title = Man::new(definition.clone()).manual("everport");
    let mut page = Vec::new();
    title.render_title(&mut page)?;
    title.render_name_section(&mut page)?;
    before_options(&definition).to_writer(&mut page)?;
    options.render_options_section(&mut page)?;
    after_options().to_writer(&mut page)?;
    Ok(page)
}

fn before_options(definition: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    section(&mut roff, "synopsis");
    synopsis(&mut roff);
    section(&mut roff, "description");
    paragraphs(&mut roff, &DESCRIPTION);
    section(&mut roff, "commands");
    for command in definition.get_subcommands() {
        let about = command.get_about().map(ToString::to_string);
        item(&mut roff, command.get_name(), &about.unwrap_or_default());
    }
    roff
}

fn after_options() -> Roff {
    let mut roff = Roff::new();
    section(&mut roff, "configuration");
    paragraphs(&mut roff, &CONFIGURATION);
    verbatim(&mut roff, EXAMPLE_FILE);
    section(&mut roff, "signals");
    items(&mut roff, &SIGNALS);
    section(&mut roff, "exit status");
    items(&mut roff, &EXIT_CODES);
    section(&mut roff, "environment");
    items(&mut roff, &ENVIRONMENT);
    section(&mut roff, "files");
    items(&mut roff, &FILES);
    section(&mut roff, "examples");
    items(&mut roff, &EXAMPLES);
    roff
}

const DESCRIPTION: [&str; 2] = [
    "A watcher process holds the listening sockets and runs workers that serve from them. Workers crash, are replaced, \
     upgraded and scaled, and no client notices. The program has to use the everport library, or to speak the protocol \
     of its link.",
    "`everport PROGRAM` is short for `everport run PROGRAM`. What follows the program belongs to the program. A name \
     without a slash is looked for in PATH.",
];

const ENVIRONMENT: [(&str, &str); 2] = [
    ("PATH", "where programs are looked for"),
    ("NO_COLOR", "if set, a terminal gets no colours"),
];

const FILES: [(&str, &str); 1] = [(
    "everport.toml",
    "read from the working directory, unless --config or --no-config is given",
)];

fn synopsis(roff: &mut Roff) {
    let program = [
        italic("PROGRAM"),
        roman(" ["),
        italic("ARGS"),
        roman("]..."),
    ];
    let with_program = |before: &[Inline]| [before, &program].concat();
    let lines = [
        with_program(&[bold("everport run"), roman(" [OPTIONS] [--] ")]),
        with_program(&[bold("everport"), roman(" ")]),
        with_program(&[bold("everport check"), roman(" [OPTIONS] [--] ")]),
        vec![bold("everport completions"), roman(" bash|zsh|fish")],
        vec![bold("everport man")],
    ];
    for line in lines {
        roff.text(line);
        roff.control("br", []);
    }
}

fn section(roff: &mut Roff, title: &str) {
    roff.control("SH", [title.to_uppercase().as_str()]);
}

fn paragraphs(roff: &mut Roff, texts: &[&str]) {
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(*text)]);
    }
}

fn items(roff: &mut Roff, items: &[(&str, &str)]) {
    for (name, meaning) in items {
        item(roff, name, meaning);
    }
}

fn item(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

/// As it stands, without its lines being filled.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}
