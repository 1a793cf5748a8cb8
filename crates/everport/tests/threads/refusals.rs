//! What makes no sense for threads is refused, with its name and the way out.

use everport::Watcher;
use everport::watcher::{Builder, Program, StartError};

use crate::scene::answer;

#[track_caller]
fn check(ask: impl FnOnce(Builder) -> Builder, expected: &str) {
    let error = ask(Watcher::threads(1, answer)).build().err().unwrap();
    let StartError::NotForThreads { option } = error else {
        panic!("not refused: {expected}: {error}");
    };
    assert_eq!(option, expected);
    let text = error.to_string();
    assert!(
        text.starts_with(expected) && text.contains("leave it out"),
        "{text}"
    );
}

#[test]
fn options_of_processes_are_refused_for_threads() {
    check(|it| it.env("A", "b"), "env (--env)");
    check(|it| it.chdir("/"), "chdir (--chdir)");
    check(|it| it.umask(0o27), "umask (--umask)");
    check(|it| it.max_memory(1 << 30), "max_memory (--max-memory)");
    check(Builder::allow_core_dumps, "allow_core_dumps");
    check(
        Builder::allow_new_privileges,
        "allow_new_privileges (--new-privileges)",
    );
    let group = rustix::process::getgid().as_raw().to_string();
    let credentials = everport::watcher::Credentials::in_group(&group).unwrap();
    check(
        |it| it.credentials(credentials),
        "credentials (--user, --group)",
    );
}

#[test]
fn options_of_threads_are_refused_for_processes() {
    let program = Program::find("true").unwrap();
    let refused = Watcher::builder(program).exit_on_abandoned_thread().build();
    let error = refused.err().unwrap();
    assert!(
        matches!(error, StartError::OnlyForThreads { .. }),
        "{error}"
    );
}

#[test]
fn a_limit_of_messages_that_is_out_of_bounds_is_refused() {
    const BOUNDS: [u64; 2] = [64 * 1024, 1024 * 1024 * 1024];
    let build = |bytes| Watcher::threads(1, answer).message_limit(bytes).build();
    for (within, beyond) in [(BOUNDS[0], BOUNDS[0] - 1), (BOUNDS[1], BOUNDS[1] + 1)] {
        build(within).map(drop).unwrap();
        let refused = build(beyond).err();
        assert!(
            matches!(refused, Some(StartError::MessageLimit(bytes)) if bytes == beyond),
            "{refused:?}"
        );
    }
}

#[test]
fn a_cluster_needs_a_thread_at_least() {
    let refused = Watcher::threads(0, answer).build();
    assert!(matches!(refused.err(), Some(StartError::NoWorkers)));
}
