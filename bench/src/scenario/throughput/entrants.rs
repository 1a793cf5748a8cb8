//! Who takes part.

use everport::Sharing;

use crate::contest::Entrant;
use crate::plot::Shade;
use crate::subject::{Kind, Unmanaged, cluster, plain_thread_cluster};

/// The same program in every way, and the generator's limit.
pub(super) fn among_several() -> Vec<Entrant> {
    let mut entrants = on_one_core();
    entrants.push(Entrant::new(MULTI_THREADED, Shade::Same, |threads| {
        Kind::MultiThreaded.start(threads)
    }));
    entrants
}

/// Those for whom one core makes sense.
pub(super) fn on_one_core() -> Vec<Entrant> {
    let unmanaged = Entrant::new(UNMANAGED, Shade::Same, |workers| {
        Ok(Box::new(Unmanaged::start(workers)?))
    });
    let threads = Entrant::new(THREADS, Shade::Everport, |workers| {
        Ok(Box::new(plain_thread_cluster(workers, Sharing::DEFAULT)))
    });
    let lossless = Entrant::new(LOSSLESS, Shade::Everport, |workers| {
        Kind::Reuseport.start(workers)
    });
    vec![
        Entrant::bare(),
        unmanaged,
        processes(REUSEPORT, Sharing::Reuseport),
        processes(TRANSFER, Sharing::Transfer),
        processes("dispatch", Sharing::Dispatch),
        threads,
        lossless,
    ]
}

fn processes(name: &'static str, sharing: Sharing) -> Entrant {
    Entrant::new(name, Shade::Everport, move |workers| {
        Ok(Box::new(cluster(workers, sharing, "")))
    })
}

/// Where the bare responder stands.
pub(super) const BARE: usize = 0;
/// Where the one stands that all are compared with.
pub(super) const REFERENCE: usize = 1;

/// Those of whom figures are promised: what `dispatch` costs is told, and so is what serving without loss does.
pub(super) const PROMISED: [&str; 3] = [REUSEPORT, TRANSFER, THREADS];

const UNMANAGED: &str = "unmanaged";
const REUSEPORT: &str = "reuseport";
const TRANSFER: &str = "transfer";
const THREADS: &str = "threads";
const LOSSLESS: &str = "reuseport, everport::http";
const MULTI_THREADED: &str = "multi-threaded";
