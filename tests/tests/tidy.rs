//! What the compiler does not check: each file says what it is for, is of a size to read, and has a subject.

#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/recipes.rs"]
mod recipes;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use everport_tests::program;

/// A file longer than this has more than one subject.
const LONGEST_FILE: usize = 500;

/// Names of places where anything could be.
const NO_SUBJECT: [&str; 5] = ["utils", "util", "common", "helpers", "misc"];

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["crates", "examples", "bench", "fuzz", "tests"] {
        collect(&root.join(folder), &mut found);
    }
    assert!(found.len() > 100, "only {} sources found", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of this workspace");
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lists the files that a rule finds fault with.
fn check(rule: &str, is_fine: impl Fn(&Path, &str) -> bool) {
    let offending: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|path| !is_fine(path, &fs::read_to_string(path).expect("a text")))
        .collect();
    assert!(offending.is_empty(), "{rule}: {offending:#?}");
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    check("a first line that begins with //!", |_, text| {
        text.starts_with("//! ")
    });
}

#[test]
fn every_file_has_one_subject() {
    check("a name that names a subject", |path, _| {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        !NO_SUBJECT.contains(&name)
    });
    check("no more than 500 lines", |_, text| {
        text.lines().count() <= LONGEST_FILE
    });
}

/// What a package of ours depends on, by its `Cargo.toml`.
fn dependencies(package: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let manifest = fs::read_to_string(root.join(package).join("Cargo.toml")).expect("a manifest");
    let (_, section) = manifest
        .split_once("\n[dependencies]\n")
        .expect("a section");
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ']).next());
    let others = names.filter(|name| !name.is_empty() && !name.starts_with("everport"));
    others.map(str::to_owned).collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let page = include_str!("../../docs/decisions/0010-dependencies.md");
    for package in ["everport", "everport-cli"] {
        let names = dependencies(package);
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{package} has {name}");
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in two halves, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
        concat!("unimpl", "emented!"),
    ];
    check("no mark of unfinished work", |_, text| {
        !marks.iter().any(|mark| text.contains(mark))
    });
}

#[test]
fn the_core_has_no_dependency_and_no_standard_library() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/everport-core");
    let manifest = fs::read_to_string(core.join("Cargo.toml")).expect("the core's manifest");
    assert!(!manifest.contains("dependencies]"), "{manifest}");
    let root = fs::read_to_string(core.join("src/lib.rs")).expect("the core's root");
    assert!(root.contains("#![no_std]") && root.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn every_fault_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/faults.md")).expect("the page of faults");
    let tests: HashSet<String> = sources()
        .iter()
        .flat_map(|path| names_of_tests(&fs::read_to_string(path).expect("a text")))
        .collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let faults: Vec<&str> = rows
        .filter(|row| !row.starts_with("fault |") && !row.starts_with("---"))
        .collect();
    assert!(faults.len() > 30, "only {} faults found", faults.len());
    for fault in faults {
        let cell = fault.trim_end_matches(" |").rsplit(" | ").next();
        let names: Vec<&str> = cell.into_iter().flat_map(in_backticks).collect();
        assert!(!names.is_empty(), "a fault without a test: {fault}");
        for name in names {
            assert!(tests.contains(name), "no such test: {name} of: {fault}");
        }
    }
}

#[test]
fn what_somebody_elses_names_are_here_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/coming-from.md")).expect("the page");
    let library = texts_of(&root.join("crates/everport/src"));
    let help = Command::new(program("everport"))
        .args(["run", "--help"])
        .output()
        .expect("the command starts");
    let help = String::from_utf8(help.stdout).expect("a text");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let ours = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let names: Vec<&str> = ours.flat_map(in_backticks).collect();
    assert!(names.len() > 120, "only {} names found", names.len());
    for name in names {
        let is_here = match name.rsplit_once("::") {
            Some((owner, item)) => defines(&library, owner, item),
            // Options of programs that are their own watcher are in the library's sources.
            None if name.starts_with("--") => {
                help.contains(&format!("{name} "))
                    || help.contains(&format!("{name}\n"))
                    || library
                        .values()
                        .any(|text| text.contains(&format!("`{name}`")))
            }
            None => true,
        };
        assert!(is_here, "nothing is called {name}");
    }
    let is_mistaken = |owner, item| defines(&library, owner, item);
    assert!(!is_mistaken("Cluster", "scale") && !is_mistaken("Handle", "listen"));
}

/// Whether a type has a public function, field or variant of this name, or a module anything public of it. That is so if a
/// file is about both: it defines or implements the type, or belongs to the module, and has the name.
fn defines(library: &HashMap<PathBuf, String>, owner: &str, item: &str) -> bool {
    let owner = owner.rsplit("::").next().expect("a name");
    let is_module = owner.starts_with(char::is_lowercase);
    library.iter().any(|(path, text)| match is_module {
        true => {
            path.iter().any(|part| {
                let part = Path::new(part).file_stem();
                part.is_some_and(|part| part == owner)
            }) && names(text, item)
        }
        false => is_about(text, owner) && names(text, item),
    })
}

/// Whether a file defines or implements a type.
fn is_about(text: &str, owner: &str) -> bool {
    let begins = [
        "pub struct ",
        "pub enum ",
        "pub trait ",
        "impl ",
        "impl<S> ",
    ];
    let ends = [" ", "<", ";", "("];
    begins.iter().any(|begin| {
        ends.iter()
            .any(|end| text.contains(&format!("{begin}{owner}{end}")))
    })
}

/// Whether a file has something public of this name.
fn names(text: &str, item: &str) -> bool {
    let is_defined = |kind: &str| {
        let ends = ["(", "<", " ", ";"];
        ends.iter()
            .any(|end| text.contains(&format!("pub {kind} {item}{end}")))
    };
    let kinds = ["fn", "async fn", "struct", "enum", "trait", "mod", "const"];
    let ends = [",", " {", "("];
    kinds.into_iter().any(is_defined)
        || text.contains(&format!("    pub {item}: "))
        || (item.starts_with(char::is_uppercase)
            && ends
                .iter()
                .any(|end| text.contains(&format!("\n    {item}{end}"))))
}

/// All sources below a folder.
fn texts_of(folder: &Path) -> HashMap<PathBuf, String> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text");
        (path, text)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn what_we_show_service_managers_and_containers_is_what_the_command_takes() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    let mut commands = Vec::new();
    for name in ["everport.service", "everport-notify.service"] {
        let unit = fs::read_to_string(contrib.join("systemd").join(name)).expect("a unit");
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        let line = line.expect("what the unit starts");
        commands.push(line.split_whitespace().map(str::to_owned).collect());
    }
    let image = fs::read_to_string(contrib.join("container/Dockerfile")).expect("a Dockerfile");
    let line = image.lines().find(|line| line.starts_with("ENTRYPOINT"));
    let words = line.expect("what the image starts").split('"').skip(1);
    commands.push(words.step_by(2).map(str::to_owned).collect::<Vec<_>>());
    for command in commands {
        let [_, run, options @ .., separator, _program] = &command[..] else {
            panic!("too few words: {command:?}");
        };
        assert_eq!((run.as_str(), separator.as_str()), ("run", "--"));
        let mut check = Command::new(program("everport"));
        // There need not be a journal where the tests run.
        let here = |word: &String| word.replace("journald", "stdout");
        check.args(["check", "--no-config"]);
        check.args(options.iter().map(here));
        let checked = check
            .args(["--", "true"])
            .output()
            .expect("the command starts");
        assert!(checked.status.success(), "{command:?}: {checked:?}");
    }
}

/// The functions that an attribute makes tests, or that are tests of both kinds of workers.
fn names_of_tests(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    // One whose name is long has what it takes on the next line.
    let text = text.replace("(\n    kind: Kind,\n)", "(kind: Kind)");
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line);
        // One whose name is very long has its argument in the next line.
        let is_broken =
            function.ends_with('(') && text.contains(&format!("{line}\n    kind: Kind,\n)"));
        let is_for_each_kind = function.contains("(kind: Kind)") || is_broken;
        let is_test_here = is_test || is_for_each_kind;
        if let Some(name) = function.strip_prefix("fn ").filter(|_| is_test_here) {
            names.extend(name.split('(').next().map(str::to_owned));
        }
        is_test = false;
    }
    names
}

/// What stands between backticks.
fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
