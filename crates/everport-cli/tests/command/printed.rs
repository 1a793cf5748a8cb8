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

#[test]
fn bash_completes_options() {
    let mut script = printed(&["completions", "bash"]);
    script.extend_from_slice(
        b"COMP_WORDS=(everport run --shut); COMP_CWORD=2; _everport everport --shut run; echo \"${COMPREPLY[@]}\"\n",
    );
    let Some(output) = fed("bash", &[], &script) else {
        return;
    };
    let completed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(completed.trim(), "--shutdown-timeout", "{output:?}");
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
