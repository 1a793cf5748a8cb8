//! Clients that ask all the time: half of them make a connection for each request, half keep theirs.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use everport_tests::wait_until;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::client::Client;

const CLIENTS: usize = 6;
/// Clients pause, so that a rolling restart gets some time on the processor, too.
const PAUSE: Duration = Duration::from_millis(5);

/// A load that runs until it is stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Report>>,
}

struct Shared {
    address: SocketAddr,
    trust: Arc<ClientConfig>,
    is_over: AtomicBool,
    answered: AtomicU64,
}

/// What clients saw.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) certificates: HashSet<CertificateDer<'static>>,
    pub(crate) failures: Vec<String>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, trust: Arc<ClientConfig>) -> Self {
        let shared = Arc::new(Shared {
            address,
            trust,
            is_over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || ask_on(&shared, number.is_multiple_of(2)))
        };
        let clients = (0..CLIENTS).map(start).collect();
        Self { shared, clients }
    }

    /// Waits for so many answers more.
    pub(crate) fn go_on(&self, more: u64) {
        let wanted = self.shared.answered.load(Relaxed) + more;
        wait_until("more answers", || {
            self.shared.answered.load(Relaxed) >= wanted || self.have_failed()
        });
    }

    pub(crate) fn stop(self) -> Report {
        self.shared.is_over.store(true, Relaxed);
        let mut all = Report::default();
        for client in self.clients {
            let Report {
                certificates,
                failures,
            } = client.join().unwrap();
            all.certificates.extend(certificates);
            all.failures.extend(failures);
        }
        all
    }

    /// A client ends with its first failure.
    fn have_failed(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }
}

fn ask_on(shared: &Shared, keeps: bool) -> Report {
    let mut report = Report::default();
    while !shared.is_over.load(Relaxed) {
        if let Err(error) = ask(shared, keeps, &mut report) {
            report.failures.push(format!("{error} (kept: {keeps})"));
            break;
        }
    }
    report
}

/// Asks over one connection for as long as it lasts.
fn ask(shared: &Shared, keeps: bool, report: &mut Report) -> std::io::Result<()> {
    let mut client = Client::connect(shared.address, &shared.trust)?;
    report.certificates.insert(client.certificate());
    if !keeps {
        client.get_once()?;
        shared.answered.fetch_add(1, Relaxed);
        sleep(PAUSE);
        return Ok(());
    }
    let mut goes_on = true;
    while goes_on && !shared.is_over.load(Relaxed) {
        goes_on = client.get()?;
        shared.answered.fetch_add(1, Relaxed);
        sleep(PAUSE);
    }
    Ok(())
}
