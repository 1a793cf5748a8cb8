//! The way to a panic, as a text that is short enough to be read.

use std::backtrace::Backtrace;
use std::env;
use std::ffi::OsStr;
use std::fmt::Write;

/// The environment variable that says how much of it is wanted, to the standard library, too.
const VARIABLE: &str = "RUST_BACKTRACE";

/// Functions that lead from a panic to its hook, which is no part of the way to the panic. The first is called by all.
const MACHINERY: [&str; 6] = [
    "__rust_end_short_backtrace",
    "rust_begin_unwind",
    "begin_panic",
    "panic_any",
    "core::panicking::",
    "std::panicking::",
];

/// What the program's own functions are called by, in each thread.
const THREAD_START: &str = "__rust_begin_short_backtrace";

/// Directories whose own place on the machine that compiled the program says nothing: packages of a registry or of git,
/// and the standard library. The number is how many directories below them say nothing either.
const DIRECTORIES: [(&str, usize); 4] = [
    ("/registry/src/", 1),
    ("/git/checkouts/", 0),
    ("/lib/rustlib/src/rust/library/", 0),
    ("/rustc/", 2),
];

/// How much of the way to a panic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Nothing,
    /// The functions of the program and what they call.
    Short,
    /// All that there is, as the standard library prints it.
    Full,
}

impl Detail {
    /// What the environment asks for.
    pub(crate) fn wanted() -> Self {
        Self::of(env::var_os(VARIABLE).as_deref())
    }

    fn of(value: Option<&OsStr>) -> Self {
        match value.and_then(OsStr::to_str) {
            Some("0") => Self::Nothing,
            Some("full") => Self::Full,
            _ => Self::Short,
        }
    }

    /// The way to where we are, if any of it is wanted.
    pub(crate) fn capture(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Short => Some(shortened(&Backtrace::force_capture().to_string())),
            Self::Full => Some(format!("{:#}", Backtrace::force_capture())),
        }
    }
}

/// One function on the way, and where in the source it is.
struct Frame<'a> {
    function: &'a str,
    place: Option<&'a str>,
}

/// The functions between the start of the thread and the panic, a line each. The standard library tells them in no other
/// form than its text; what is not understood of that is left as it is.
fn shortened(text: &str) -> String {
    let frames = frames(text);
    let mut lines = String::new();
    for (number, Frame { function, place }) in between(&frames).iter().enumerate() {
        let separator = if number == 0 { "" } else { "\n" };
        let place = place.map_or(String::new(), |place| format!(" at {}", short_path(place)));
        // Writing to a string cannot fail.
        let _written = write!(lines, "{separator}{number:>2}: {function}{place}");
    }
    lines
}

fn frames(text: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        match (line.strip_prefix("at "), frames.last_mut()) {
            (Some(place), Some(frame)) => frame.place = Some(place),
            _ => frames.push(Frame {
                function: without_number(line),
                place: None,
            }),
        }
    }
    frames
}

/// Functions that were compiled into their caller have no number.
fn without_number(line: &str) -> &str {
    match line.split_once(": ") {
        Some((number, function)) if number.bytes().all(|byte| byte.is_ascii_digit()) => function,
        _ => line,
    }
}

/// Those of the program; all, if the machinery is not to be seen, as in a program without symbols.
fn between<'a, 'b>(frames: &'b [Frame<'a>]) -> &'b [Frame<'a>] {
    let is_machinery =
        |frame: &Frame<'_>| MACHINERY.iter().any(|name| frame.function.contains(name));
    let Some(hook) = frames
        .iter()
        .position(|frame| frame.function.contains(MACHINERY[0]))
    else {
        return frames;
    };
    let below_hook = &frames[hook..];
    let panic = below_hook.iter().position(|frame| !is_machinery(frame));
    let to_panic = &below_hook[panic.unwrap_or(below_hook.len())..];
    let start = to_panic
        .iter()
        .position(|frame| frame.function.contains(THREAD_START));
    // The program's own main may have that name, too: C's is the last.
    let start = start.or_else(|| to_panic.iter().rposition(|frame| frame.function == "main"));
    &to_panic[..start.unwrap_or(to_panic.len())]
}

fn short_path(place: &str) -> &str {
    for (directory, below) in DIRECTORIES {
        if let Some((_, path)) = place.split_once(directory) {
            return path.splitn(below + 1, '/').last().unwrap_or(path);
        }
    }
    place.strip_prefix("./").unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "   0: everport::logging::panic::hand_over
             at /home/you/everport/crates/everport/src/logging/panic.rs:44:21
   1: std::panicking::panic_with_hook
             at /rustc/0123abcd/library/std/src/panicking.rs:833:13
   2: std::sys::backtrace::__rust_end_short_backtrace
             at /rustc/0123abcd/library/std/src/sys/backtrace.rs:168:18
   3: __rustc::rust_begin_unwind
             at /rustc/0123abcd/library/std/src/panicking.rs:689:5
   4: core::panicking::panic_fmt
             at /rustc/0123abcd/library/core/src/panicking.rs:80:14
   5: shop::sell::{{closure}}
             at ./src/main.rs:7:9
      core::option::Option<T>::map
             at /home/you/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/option.rs:1150:29
   6: <tokio::task::Task as core::future::Future>::poll
             at /home/you/.cargo/registry/src/index-1949cf8c6b5b557f/tokio-1.53.3/src/task.rs:1:2
   7: <unknown>
   8: shop::main
             at ./src/main.rs:3:5
   9: core::ops::function::FnOnce::call_once
             at /rustc/0123abcd/library/core/src/ops/function.rs:250:5
  10: std::sys::backtrace::__rust_begin_short_backtrace
             at /rustc/0123abcd/library/std/src/sys/backtrace.rs:152:18
  11: main
  12: _start
";

    #[test]
    fn the_functions_between_the_thread_and_the_panic_are_told() {
        let expected = " 0: shop::sell::{{closure}} at src/main.rs:7:9
 1: core::option::Option<T>::map at core/src/option.rs:1150:29
 2: <tokio::task::Task as core::future::Future>::poll at tokio-1.53.3/src/task.rs:1:2
 3: <unknown>
 4: shop::main at src/main.rs:3:5
 5: core::ops::function::FnOnce::call_once at core/src/ops/function.rs:250:5";
        assert_eq!(shortened(TEXT), expected);
    }

    #[test]
    fn the_innermost_of_several_panics_counts() {
        let twice =
            format!("   0: hook\n   1: __rust_end_short_backtrace\n   2: shop::drop\n{TEXT}");
        assert!(shortened(&twice).starts_with(" 0: shop::drop\n 1: everport::logging"));
    }

    #[test]
    fn a_function_called_main_may_be_the_programs() {
        let text = "0: __rust_end_short_backtrace\n1: main\n2: __rust_begin_short_backtrace<fn()>\n3: main\n";
        assert_eq!(shortened(text), " 0: main");
        let text = "0: __rust_end_short_backtrace\n1: main\n2: main\n3: _start\n";
        assert_eq!(shortened(text), " 0: main");
    }

    #[test]
    fn without_symbols_nothing_is_left_out() {
        assert_eq!(
            shortened("   0: <unknown>\n   1: <unknown>\n"),
            " 0: <unknown>\n 1: <unknown>"
        );
    }

    #[test]
    fn the_environment_says_how_much_is_wanted() {
        for (value, expected) in [
            (None, Detail::Short),
            (Some("1"), Detail::Short),
            (Some("0"), Detail::Nothing),
            (Some("full"), Detail::Full),
        ] {
            assert_eq!(Detail::of(value.map(OsStr::new)), expected, "{value:?}");
        }
        assert_eq!(Detail::Nothing.capture(), None);
        let full = Detail::Full.capture().unwrap();
        assert!(full.contains(THREAD_START), "{full}");
    }
}
