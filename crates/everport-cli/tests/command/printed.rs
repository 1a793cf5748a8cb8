//! Completions and the manual page.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::everport;

/// What a program says about a text on its standard input; `None` if there is no such program here.
fn fed(program: &str, arguments: &[&str], text: &[u8]) -> Option<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    // Beside the reading, so that neither waits for the other.
    let feeder = std::thread::spawn(move || stdin.write_all(&text));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    Some(output)
}

fn printed(arguments: &[&str]) -> Vec<u8> {
    let output = everport(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    output.stdout
}

#[test]
fn completions_are_scripts_that_their_shells_accept() {
    for (shell, arguments) in [
        ("bash", ["-n"]),
        ("zsh", ["-n"]),
        ("fish", ["--no-execute"]),
    ] {
        let script = printed(&["completions", shell]);
        let text = String::from_utf8(script.clone()).unwrap();
        for known in ["shutdown-timeout", "check", "log-level"] {
            assert!(text.contains(known), "no {known} for {shell}");
        }
        if let Some(output) = fed(shell, &arguments, &script) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && said.is_empty(),
                "{shell}: {said}"
            );
        }
    }
}

/// What bash proposes after these words in a directory with a file `file`; `None` if there is no bash here.
fn completed(words: &[&str]) -> Option<String> {
    let place = crate::Place::new();
    place.write("file", "");
    let mut script = printed(&["completions", "bash"]);
    let [.., previous, current] = words else {
        panic!("two words at least: {words:?}");
    };
    let ask = format!(
        "cd {}; compopt() {{ :; }}; COMP_WORDS=({}); COMP_CWORD={}; _everport everport '{current}' '{previous}'\n\
         echo \"${{COMPREPLY[@]}}\"\n",
        place.path("").display(),
        words
            .iter()
            .map(|word| format!("'{word}' "))
            .collect::<String>(),
        words.len() - 1,
    );
    script.extend_from_slice(ask.as_bytes());
    let output = fed("bash", &[], &script)?;
    assert!(output.stderr.is_empty(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn bash_completes_options_and_values() {
    let check = |words: &[&str], expected: &str| {
        if let Some(completed) = completed(words) {
            assert_eq!(completed, expected, "{words:?}");
        }
    };
    check(&["everport", "run", "--shut"], "--shutdown-timeout");
    check(
        &["everport", "run", "--log-to", ""],
        "stdout journald syslog",
    );
    check(&["everport", "check", "--log-to", "sys"], "syslog");
    check(&["everport", "run", "--share", "t"], "transfer");
    check(&["everport", "run", "--log-level", "d"], "debug");
    check(&["everport", "run", "--log-format", "j"], "json");
    check(&["everport", "run", "--log-when-full", ""], "drop block");
    check(&["everport", "run", "--log-file", ""], "file");
    check(&["everport", "run", "--config", ""], "file");
}

#[test]
fn bash_proposes_no_files_for_what_is_none() {
    for option in [
        "-w",
        "--name",
        "--settle",
        "--max-memory",
        "--env",
        "--umask",
        "--group",
        "--log-keep",
        "--log-buffer",
    ] {
        for command in ["run", "check"] {
            if let Some(completed) = completed(&["everport", command, option, ""]) {
                assert_eq!(completed, "", "{command} {option}");
            }
        }
    }
}

#[test]
fn the_manual_page_has_every_option_and_every_table() {
    let page = String::from_utf8(printed(&["man"])).unwrap();
    let help = String::from_utf8(printed(&["run", "-h"])).unwrap();
    let options = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    for option in options {
        let option = option.replace('-', "\\-");
        assert!(page.contains(&option), "no {option} in the page");
    }
    for title in [
        "SYNOPSIS",
        "CONFIGURATION",
        "SIGNALS",
        "EXIT STATUS",
        "FILES",
        "EXAMPLES",
    ] {
        let heading = [format!(".SH {title}\n"), format!(".SH \"{title}\"\n")];
        assert!(heading.iter().any(|it| page.contains(it)), "no {title}");
    }
}

#[test]
fn the_manual_page_renders_without_a_warning() {
    let page = printed(&["man"]);
    let Some(output) = fed("groff", &["-man", "-ww", "-Tutf8"], &page) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    assert!(output.stdout.len() > 1000);
}
