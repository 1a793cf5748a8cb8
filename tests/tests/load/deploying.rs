//! A deployment by `contrib/deploy.sh`: a directory for each release, and a link to the one in use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use everport_tests::{Cluster, Deployment, Exit, inspectable, share_turn};
use tempfile::TempDir;

use crate::releases::{check_all_run, end_without_loss, kill, pids};
use crate::{go_on, one_shot_load};

/// A place with a link to the release in use.
struct Site {
    directory: TempDir,
}

impl Site {
    fn with(release: &Deployment) -> Self {
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        symlink(directory_of(release), site.file("current")).unwrap();
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A cluster of what the link leads to.
    fn cluster(&self, options: &str) -> Cluster {
        let mut command = Cluster::command(options.split_whitespace());
        command.arg("--pid-file").arg(self.file("pid"));
        command.args(["--log-to", "stdout", "--log-file"]);
        command.arg(self.file("log"));
        command.arg("--").arg(self.file("current/server"));
        command.args(["--listen", "127.0.0.1:0"]);
        let cluster = Cluster::spawn(inspectable(command));
        cluster.wait_until_ready();
        cluster
    }

    fn leads_to(&self, release: &Deployment) -> bool {
        fs::read_link(self.file("current")).unwrap() == directory_of(release)
    }

    fn command(&self, release: &Path) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/deploy.sh");
        let mut command = Command::new(script);
        command.arg(release);
        command.args(["current", "pid", "log"].map(|name| self.file(name)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, release: &Deployment) -> Child {
        let mut command = self.command(&directory_of(release));
        command.spawn().expect("the script starts")
    }

    fn deploy(&self, release: &Deployment) -> Told {
        self.start(release).wait_with_output().unwrap().into()
    }
}

/// What a script that calls it learns.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    exit: Exit,
    text: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self {
            exit: output.status.into(),
            text: String::from_utf8(text).unwrap(),
        }
    }
}

fn directory_of(release: &Deployment) -> PathBuf {
    let path = release.path();
    path.parent().unwrap().canonicalize().unwrap()
}

#[test]
fn a_release_that_comes_up_is_moved_to_and_one_that_does_not_is_left_again() {
    let _turn = share_turn();
    let releases = ["v1", "v2", "v3 crashes-at-boot", "v4 crashes-in-slot-2"].map(Deployment::of);
    let [first, second, broken, late] = &releases;
    let site = Site::with(first);
    let cluster = site.cluster("-w 3 --settle 4");
    check_all_run(&cluster, 3, "v1");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);

    let told = site.deploy(second);
    assert_eq!(told.exit, Exit::Code(0), "{told:?}");
    assert!(told.text.starts_with("generation 2 runs "), "{told:?}");
    assert!(site.leads_to(second));
    cluster.log().wait_for_many(3, " ended: exited");
    check_all_run(&cluster, 3, "v2");

    let before = pids(&cluster);
    let told = site.deploy(broken);
    assert_eq!(told.exit, Exit::Code(1), "{told:?}");
    for text in [
        "died before it was ready",
        "| release v3 is broken",
        "rolled back to generation 2",
    ] {
        assert!(told.text.contains(text), "{text}: {told:?}");
    }
    assert!(site.leads_to(second));
    cluster.log().wait_for("died: exited with code 3");
    assert_eq!(pids(&cluster), before, "an old worker was touched");

    // Two slots have moved already, and return.
    let told = site.deploy(late);
    assert_eq!(told.exit, Exit::Code(1), "{told:?}");
    assert!(told.text.contains("(2 slots)"), "{told:?}");
    assert!(site.leads_to(second));
    end_without_loss(load);
    cluster.log().wait_for_many(7, " ended: exited");
    kill(&cluster, &cluster.workers()[0]);
    check_all_run(&cluster, 3, "v2");
}

#[test]
fn a_deployment_that_cannot_be_changes_nothing_and_one_whose_cluster_ends_says_so() {
    let releases = ["v1", "v2 hangs-at-boot"].map(Deployment::of);
    let [first, hanging] = &releases;
    let site = Site::with(first);
    let told = site.deploy(hanging);
    assert_eq!(told.exit, Exit::Code(2), "{told:?}");
    assert!(told.text.contains("no cluster runs by "), "{told:?}");
    let cluster = site.cluster("-w 1 --boot-timeout 300");
    let nowhere = site.command(&site.file("nowhere")).output().unwrap();
    assert_eq!(Told::from(nowhere).exit, Exit::Code(2));
    assert!(site.leads_to(first));

    let under_way = site.start(hanging);
    cluster
        .log()
        .wait_for("rollout from generation 1 to generation 2 started");
    let told = site.deploy(first);
    let expected = "deploy.sh: another deployment is under way\n".to_owned();
    let refused = Told {
        exit: Exit::Code(2),
        text: expected,
    };
    assert_eq!(told, refused);
    assert!(site.leads_to(hanging));
    assert_eq!(cluster.stop(), Exit::Code(0));
    let told = Told::from(under_way.wait_with_output().unwrap());
    assert_eq!(told.exit, Exit::Code(3), "{told:?}");
    assert!(told.text.contains("the cluster has ended"), "{told:?}");
}
