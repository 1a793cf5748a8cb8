//! What help and manual page say beside the options: each table once.

/// What a signal does: its names, and the effect.
pub(crate) const SIGNALS: [(&str, &str); 5] = [
    ("TERM, INT", "stop: workers drain; a second one kills them"),
    ("QUIT", "stop at once: workers are killed"),
    ("USR1", "rolling restart"),
    (
        "HUP",
        "open log files and read the level anew; terminal closed: stop",
    ),
    ("TTIN, TTOU", "one worker more, one fewer"),
];

/// What an exit code means.
pub(crate) const EXIT_CODES: [(&str, &str); 11] = [
    ("0", "stopped: every worker has drained"),
    ("1", "the watcher itself failed"),
    ("2", "wrong arguments, or a wrong configuration file"),
    ("3", "no worker was ever ready"),
    ("4", "a slot was crash-looping (--exit-on-crash-loop)"),
    ("5", "no worker was ever ready, and a port was refused"),
    ("6", "the pid file or the log cannot be used"),
    ("7", "another instance holds the pid file"),
    (
        "8",
        "forced: workers were killed with what they were serving",
    ),
    ("126", "the program cannot be executed"),
    ("127", "there is no such program"),
];

/// A command, and what it does.
pub(crate) const EXAMPLES: [(&str, &str); 6] = [
    ("everport run -w 4 ./server", "four workers of ./server"),
    (
        "everport run -w 4 -p /run/shop.pid -f /var/log/shop.log ./server",
        "with a pid file and a log file",
    ),
    ("everport ./server --verbose", "short for `everport run`"),
    (
        "kill -USR1 $(cat /run/shop.pid)",
        "restart the workers one by one",
    ),
    (
        "everport check -c /etc/shop.toml",
        "what is in force, and what is wrong",
    ),
    (
        "everport run -c /etc/shop.toml --log-level debug",
        "the command line wins",
    ),
];

/// A configuration file that shows how each kind of option is written.
pub(crate) const EXAMPLE_FILE: &str = "\
program = \"./server\"          # relative to this file
args = [\"--verbose\"]
workers = 4
max-memory = \"512M\"
exit-on-crash-loop = true
env = { SHOP_MODE = \"cluster\" }";

/// What is said about the configuration file, a paragraph each.
pub(crate) const CONFIGURATION: [&str; 3] = [
    "Each option can stand in a file by its long name, as can `program` and `args`. The file is the one of --config, or \
     else everport.toml in the working directory. Paths in it are relative to it.",
    "The command line wins. A list there takes the place of the file's; of `env`, only the variables that it names. \
     Each flag has a --no- form, such as --no-core-dumps.",
    "Nobody but its owner may be able to write to it, and that has to be root or whoever runs everport.",
];

/// Follows the options in the long help.
pub(crate) fn after_options() -> String {
    let file = indented(EXAMPLE_FILE.lines());
    let configuration = CONFIGURATION.map(|paragraph| wrapped(paragraph, "  "));
    [
        format!("Configuration:\n{}\n\n{file}", configuration.join("\n\n")),
        format!("Signals:\n{}", table(&SIGNALS)),
        format!("Exit codes:\n{}", table(&EXIT_CODES)),
        format!(
            "Examples:\n{}",
            indented(EXAMPLES.iter().map(|(command, _)| *command))
        ),
    ]
    .join("\n\n")
}

fn table(rows: &[(&str, &str)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let row = |(name, meaning): &(&str, &str)| format!("  {name:<width$}  {meaning}");
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn indented<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// Broken into lines by ourselves, because the help's own way does not indent what it breaks.
fn wrapped(paragraph: &str, indent: &str) -> String {
    const WIDTH: usize = 78;
    let mut lines = vec![indent.to_owned()];
    for word in paragraph.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => {
                if line.len() > indent.len() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}
