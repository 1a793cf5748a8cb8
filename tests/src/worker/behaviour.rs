//! How a release behaves, as the words in its file or at the end of the executable say.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::trade::Trade;
use crate::release_of;
use everport::Cluster;

/// A release's name and its vices.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    /// The first word.
    pub(super) name: String,
    pub(super) ignores_drain: bool,
    pub(super) fails_when_leaving: bool,
    pub(super) gives_second_port_back: bool,
    /// In slot 2 it dies between two requests, after it has served some.
    pub(super) crashes_in_slot_2: bool,
    /// In which types it exchanges messages.
    pub(super) trade: Trade,
    crashes_at_boot: bool,
    hangs_at_boot: bool,
    has_second_port: bool,
    has_slow_hook: bool,
}

impl Behaviour {
    /// Reads the release from its file, or else from the executable: `NAME [WORD]…`.
    pub(super) fn of_release(file: Option<&Path>) -> io::Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)?,
            None => release_of(Path::new("/proc/self/exe")).unwrap_or_else(|| "v1".to_owned()),
        };
        let mut words = text.split_whitespace();
        let mut behaviour = Self {
            name: words.next().unwrap_or("v1").to_owned(),
            ..Self::default()
        };
        for word in words {
            match word {
                "ignores-drain" => behaviour.ignores_drain = true,
                "fails-when-leaving" => behaviour.fails_when_leaving = true,
                "crashes-at-boot" => behaviour.crashes_at_boot = true,
                "hangs-at-boot" => behaviour.hangs_at_boot = true,
                "crashes-in-slot-2" => behaviour.crashes_in_slot_2 = true,
                "gives-second-port-back" => behaviour.gives_second_port_back = true,
                "slow-hook" => behaviour.has_slow_hook = true,
                "new-types" => behaviour.trade = Trade::New,
                "second-port" => behaviour.has_second_port = true,
                other => return Err(io::Error::other(format!("no such behaviour: {other}"))),
            }
        }
        Ok(behaviour)
    }

    /// What a process does before it joins the cluster.
    pub(super) fn before_it_joins(&self) {
        if self.crashes_at_boot {
            eprintln!("{}", self.broken());
            std::process::exit(3);
        }
        if self.hangs_at_boot {
            eprintln!("release {} hangs", self.name);
            std::thread::sleep(super::FOR_EVER);
        }
    }

    /// The same of a thread, which has joined by then.
    pub(super) async fn at_start(&self) -> Result<(), String> {
        if self.hangs_at_boot {
            eprintln!("release {} hangs", self.name);
            tokio::time::sleep(super::FOR_EVER).await;
        }
        match self.crashes_at_boot {
            true => Err(self.broken()),
            false => Ok(()),
        }
    }

    fn broken(&self) -> String {
        format!("release {} is broken", self.name)
    }

    /// What happens beside serving.
    pub(super) fn once_serving(&self, cluster: &Cluster) {
        if self.has_slow_hook {
            cluster.on_terminate(async || {
                println!("hook begins");
                tokio::time::sleep(Duration::from_millis(200)).await;
                println!("hook ends");
            });
        }
    }

    pub(super) fn second_port<'a>(&self, port: Option<&'a String>) -> Option<&'a String> {
        port.filter(|_| self.has_second_port)
    }
}
