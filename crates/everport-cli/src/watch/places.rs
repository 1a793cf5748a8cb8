//! Where changes count: the directories that the paths of `--watch` lead to, and what in them does not matter.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use notify::RecursiveMode;

use super::WatchError;

/// What all paths come to.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    ours: WrittenByUs,
}

/// One directory in which changes count.
#[derive(Debug)]
struct Place {
    /// Without symbolic links, as changes name it.
    directory: PathBuf,
    /// The only file in it that counts; else everything in it and below.
    only: Option<OsString>,
    /// What the user called it.
    called: PathBuf,
    /// Whether the file is a symbolic link, which may come to lead elsewhere.
    is_link: bool,
}

/// What the command writes itself: a restart because of that would bring the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenByUs {
    /// The log file and the pid file.
    paths: Vec<PathBuf>,
    /// What standard output and standard error were redirected to: device and inode.
    redirected: Vec<(u64, u64)>,
}

impl Places {
    /// Looks where the paths lead now.
    pub(super) fn find(paths: &[PathBuf], ours: &WrittenByUs) -> Result<Self, WatchError> {
        let mut found = Self {
            places: Vec::new(),
            ours: ours.clone(),
        };
        for path in paths {
            let refused = |source| WatchError::Path {
                path: path.clone(),
                source,
            };
            found.add(path).map_err(refused)?;
        }
        Ok(found)
    }

    fn add(&mut self, called: &Path) -> io::Result<()> {
        let target = fs::canonicalize(called)?;
        if fs::symlink_metadata(called)?.is_symlink() {
            self.add_file(called, called, true)?;
        }
        if target.is_dir() {
            self.places.push(Place {
                directory: target,
                only: None,
                called: called.to_owned(),
                is_link: false,
            });
            return Ok(());
        }
        self.add_file(&target, called, false)
    }

    /// A file by its directory: programs that save a file put another one in its place.
    fn add_file(&mut self, path: &Path, called: &Path, is_link: bool) -> io::Result<()> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        self.places.push(Place {
            directory: fs::canonicalize(parent)?,
            only: path.file_name().map(OsStr::to_owned),
            called: called.to_owned(),
            is_link,
        });
        Ok(())
    }

    /// What has to be watched in this way.
    pub(super) fn directories(&self, mode: RecursiveMode) -> impl Iterator<Item = &Path> {
        let is_wanted =
            move |place: &&Place| place.only.is_none() == (mode == RecursiveMode::Recursive);
        self.places
            .iter()
            .filter(is_wanted)
            .map(|place| place.directory.as_path())
    }

    /// Every place as changes name it.
    pub(super) fn all(&self) -> impl Iterator<Item = PathBuf> {
        self.places.iter().map(|place| match &place.only {
            Some(file) => place.directory.join(file),
            None => place.directory.clone(),
        })
    }

    /// Whether the path may matter, as far as its name tells.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.by_user(path).is_some() && !self.ours.is_named(path)
    }

    /// Whether what is watched hangs on this path: when it goes, or something else takes its place, the system goes on
    /// watching what was there.
    pub(super) fn hang_on(&self, path: &Path) -> bool {
        self.places.iter().any(|place| {
            let is_link = place.is_link && place.file_is(path);
            is_link || place.directory == path
        })
    }

    /// Whether what is at the path now does not matter: our own output, or no file.
    pub(super) fn pass_over(&self, path: &Path) -> bool {
        // The sockets that a cluster listens on are among what is no file.
        fs::symlink_metadata(path)
            .is_ok_and(|found| self.ours.is_redirected(&found) || is_no_file(&found))
    }

    /// What the user would call a path that has changed; nothing if that does not matter.
    pub(super) fn name(&self, path: &Path) -> Option<PathBuf> {
        if self.ours.is_named(path) || self.pass_over(path) {
            return None;
        }
        self.by_user(path)
    }

    fn by_user(&self, path: &Path) -> Option<PathBuf> {
        self.places.iter().find_map(|place| place.by_user(path))
    }
}

impl Place {
    fn file_is(&self, path: &Path) -> bool {
        let is_file = |file: &OsString| path.file_name() == Some(file);
        path.parent() == Some(&self.directory) && self.only.as_ref().is_some_and(is_file)
    }

    fn by_user(&self, path: &Path) -> Option<PathBuf> {
        if self.only.is_some() {
            return self.file_is(path).then(|| self.called.clone());
        }
        let below = path.strip_prefix(&self.directory).ok()?;
        if below == Path::new("") {
            return Some(self.called.clone());
        }
        if below.iter().any(is_by_the_way) {
            return None;
        }
        let called = self.called.join(below);
        let is_here = |component: &Component<'_>| *component == Component::CurDir;
        Some(called.components().skip_while(is_here).collect())
    }
}

/// Names of what versions are kept in, and of what editors leave beside a file while it is open.
fn is_by_the_way(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b".")
        || name.ends_with(b"~")
        || (name.starts_with(b"#") && name.ends_with(b"#"))
        || name == b"4913" // with which Vim tries whether it may write there
}

fn is_no_file(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_socket() || kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
}

impl WrittenByUs {
    /// What is at these paths or will be, and what standard output and standard error lead to.
    pub(super) fn find(paths: impl Iterator<Item = PathBuf>) -> Self {
        // A file that is itself a link is written to where it leads.
        let both = |path: PathBuf| [without_links(&path), fs::canonicalize(path).ok()];
        let mut paths: Vec<PathBuf> = paths.flat_map(both).flatten().collect();
        paths.dedup();
        Self {
            paths,
            redirected: redirections().collect(),
        }
    }

    /// Whether it is one of these files, or one that such a file left when it was rotated: those have its name and more.
    fn is_named(&self, path: &Path) -> bool {
        self.paths.iter().any(|ours| {
            let names = path.file_name().zip(ours.file_name());
            names.is_some_and(|(name, ours)| is_of(name, ours)) && are_neighbours(path, ours)
        })
    }

    /// As if standard output had been redirected to this file.
    #[cfg(test)]
    pub(super) fn redirected_to(path: &Path) -> Self {
        let file = fs::metadata(path).unwrap();
        Self {
            paths: Vec::new(),
            redirected: vec![(file.dev(), file.ino())],
        }
    }

    fn is_redirected(&self, metadata: &Metadata) -> bool {
        self.redirected.contains(&(metadata.dev(), metadata.ino()))
    }
}

/// Whether a file of this name is our file or was rotated from it.
fn is_of(name: &OsStr, ours: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(ours.as_bytes());
    matches!(rest, Some([] | [b'.' | b'-', b'0'..=b'9', ..]))
}

/// Whether both are in one directory, which changes name as it was reached: perhaps through a symbolic link.
fn are_neighbours(path: &Path, ours: &Path) -> bool {
    let (Some(one), Some(other)) = (path.parent(), ours.parent()) else {
        return false;
    };
    let identity = |directory| fs::metadata(directory).map(|found| (found.dev(), found.ino()));
    one == other || matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// The path as changes name it. Its file need not be there yet.
fn without_links(path: &Path) -> Option<PathBuf> {
    let parent = match path.parent()? {
        parent if parent == Path::new("") => Path::new("."),
        parent => parent,
    };
    // A directory that is not there is nowhere to write to, as will be said in time.
    Some(fs::canonicalize(parent).ok()?.join(path.file_name()?))
}

fn redirections() -> impl Iterator<Item = (u64, u64)> {
    use rustix::fs::{FileType, fstat};
    let of = [fstat(io::stdout()), fstat(io::stderr())];
    let files = of.into_iter().flatten();
    files
        .filter(|file| FileType::from_raw_mode(file.st_mode).is_file())
        .map(|file| (file.st_dev, file.st_ino))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn places(path: &Path, ours: &[&Path]) -> Places {
        let ours = WrittenByUs::find(ours.iter().map(|path| path.to_path_buf()));
        Places::find(&[path.to_owned()], &ours).unwrap()
    }

    /// A directory without symbolic links in its name.
    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(directory.path()).unwrap();
        (directory, path)
    }

    #[test]
    fn what_is_below_a_directory_is_called_as_the_user_called_it() {
        let (_kept, top) = directory();
        let src = top.join("src");
        fs::create_dir(&src).unwrap();
        let called = top.join("src/../src");
        let places = places(&called, &[]);
        let name = |path: &str| places.name(&top.join(path));
        assert_eq!(name("src/main.rs"), Some(called.join("main.rs")));
        assert_eq!(name("src/deep/er.rs"), Some(called.join("deep/er.rs")));
        assert_eq!(name("src"), Some(called));
        assert_eq!(name("elsewhere.rs"), None);
    }

    #[test]
    fn what_editors_and_versions_leave_does_not_matter() {
        let (_kept, top) = directory();
        let places = places(&top, &[]);
        for name in [
            ".git/index",
            ".main.rs.swp",
            "main.rs~",
            "#main.rs#",
            "4913",
            "a/.b/c",
        ] {
            assert!(!places.contains(&top.join(name)), "{name}");
        }
        for name in ["main.rs", "a/b.c", "a~b", "#a"] {
            assert!(places.contains(&top.join(name)), "{name}");
        }
    }

    #[test]
    fn a_file_counts_by_itself_even_if_it_is_hidden() {
        let (_kept, top) = directory();
        let file = top.join(".env");
        fs::write(&file, "").unwrap();
        let places = places(&file, &[]);
        assert_eq!(places.name(&file), Some(file.clone()));
        assert_eq!(places.name(&top.join("other")), None);
        assert_eq!(places.directories(RecursiveMode::Recursive).count(), 0);
        assert!(places.hang_on(&top) && !places.hang_on(&file));
    }

    #[test]
    fn a_symbolic_link_counts_as_itself_and_as_what_it_leads_to() {
        let (_kept, top) = directory();
        fs::create_dir_all(top.join("releases/1")).unwrap();
        let link = top.join("current");
        symlink("releases/1", &link).unwrap();
        let places = places(&link, &[]);
        assert_eq!(places.name(&link), Some(link.clone()));
        let changed = top.join("releases/1/server");
        assert_eq!(places.name(&changed), Some(link.join("server")));
        assert!(places.hang_on(&link));
    }

    #[test]
    fn what_we_write_does_not_matter_nor_what_is_rotated() {
        let (_kept, top) = directory();
        let log = top.join("app.log");
        let places = places(&top, &[&log]);
        for name in ["app.log", "app.log.1", "app.log.2.gz", "app.log-2026-11-22"] {
            assert!(!places.contains(&top.join(name)), "{name}");
        }
        for name in ["app.logic", "app.log.rs", "b/app.log"] {
            assert!(places.contains(&top.join(name)), "{name}");
        }
    }

    #[test]
    fn what_we_write_does_not_matter_however_it_is_reached() {
        let (_kept, top) = directory();
        for name in ["watched", "shared"] {
            fs::create_dir(top.join(name)).unwrap();
        }
        symlink("../shared", top.join("watched/logs")).unwrap();
        symlink("real.log", top.join("shared/link.log")).unwrap();
        fs::write(top.join("shared/real.log"), "").unwrap();
        let ours = ["watched/logs/x.log", "shared/link.log"].map(|name| top.join(name));
        let places = places(&top.join("watched"), &[&ours[0], &ours[1]]);
        for name in [
            "x.log",
            "x.log.2026-11-22.0001",
            "x.log.2026-11-22.0001.gz.unfinished",
            "link.log",
            "real.log",
        ] {
            let path = top.join("watched/logs").join(name);
            assert!(!places.contains(&path), "{name}");
        }
        assert!(places.contains(&top.join("watched/logs/y.log")));
        assert!(places.contains(&top.join("watched/x.log")));
    }

    #[test]
    fn what_is_no_file_does_not_matter() {
        let (_kept, top) = directory();
        let socket = top.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let places = places(&top, &[]);
        assert_eq!(places.name(&socket), None);
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let missing = PathBuf::from("/no/such/place");
        let error = Places::find(&[missing], &WrittenByUs::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot watch /no/such/place (create it"),
            "{text}"
        );
    }
}
