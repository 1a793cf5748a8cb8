//! Where other people's programs are, and which versions.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::{Missing, Version};

/// A program, from where `bench/peers/install.sh` puts it, or from `PATH`.
pub(super) fn program(name: &str) -> Result<PathBuf, Missing> {
    let own = OWN_PLACES.map(|place| repository().join("target/peers").join(place));
    let path = env::var_os("PATH").unwrap_or_default();
    let places = own.into_iter().chain(env::split_paths(&path));
    // Debian has servers where only root looks.
    let places = places.chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places
        .map(|place| place.join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| Missing(format!("there is no {name}")))
}

/// What a program says its version is.
pub(super) fn version(program: &Path, option: &str) -> Result<Version, Missing> {
    let missing = |what: String| Missing(format!("{} {option}: {what}", program.display()));
    let output = Command::new(program)
        .arg(option)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(error.to_string()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    version_in(&said).ok_or_else(|| missing(format!("no version: {}", said.trim())))
}

/// A file of `bench/peers`.
pub(super) fn peers_file(name: &str) -> PathBuf {
    peers_directory().join(name)
}

pub(super) fn peers_directory() -> PathBuf {
    repository().join("bench/peers")
}

fn repository() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench).to_owned()
}

/// The first word that begins with a number and has a dot; before it may be a name and a slash, a bracket, or a `v`.
pub(super) fn version_in(text: &str) -> Option<Version> {
    let words = text.split(|letter: char| letter.is_whitespace() || "/()\",".contains(letter));
    let numbers = words.map(|word| word.strip_prefix('v').unwrap_or(word));
    let is_version =
        |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    numbers
        .into_iter()
        .find(is_version)
        .map(|word| Version(word.to_owned()))
}

/// In `target/peers`.
const OWN_PLACES: [&str; 2] = ["venv/bin", "npm/node_modules/.bin"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        let check = |said: &str, expected: &str| {
            assert_eq!(
                version_in(said),
                Some(Version(expected.to_owned())),
                "{said}"
            );
        };
        check("nginx version: nginx/1.22.1\n", "1.22.1");
        check(
            "HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/",
            "2.6.12-1+deb12u3",
        );
        check("v20.20.2\n", "20.20.2");
        check("gunicorn (version 27.0.1)", "27.0.1");
        check(
            "{\n  \"name\": \"pm2\",\n  \"version\": \"7.0.4\",",
            "7.0.4",
        );
        assert_eq!(version_in("no such option"), None);
    }

    #[test]
    fn what_is_not_there_is_missing_by_its_name() {
        let missing = program("no-such-server").unwrap_err();
        assert_eq!(missing.to_string(), "there is no no-such-server");
    }
}
