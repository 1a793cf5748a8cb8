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
    let lossless = Entrant::new(LOSSLESS, Shade::Everport, |workers| {
        Kind::Reuseport.start(workers)
    });
    vec![
        Entrant::bare(),
        unmanaged(UNMANAGED),
        processes(REUSEPORT, Sharing::Reuseport),
        processes(TRANSFER, Sharing::Transfer),
        processes(DISPATCH, Sharing::Dispatch),
        threads(),
        lossless,
    ]
}

/// The unmanaged server, and who is compared with it slice by slice: itself too, which shows how sharp the comparison is.
pub(super) fn against_unmanaged() -> Vec<Entrant> {
    vec![
        unmanaged(UNMANAGED),
        unmanaged("unmanaged, once more"),
        processes(REUSEPORT, Sharing::Reuseport),
        processes(TRANSFER, Sharing::Transfer),
        processes(DISPATCH, Sharing::Dispatch),
        threads(),
    ]
}

fn unmanaged(name: &'static str) -> Entrant {
    Entrant::new(name, Shade::Same, |workers| {
        Ok(Box::new(Unmanaged::start(workers)?))
    })
}

fn threads() -> Entrant {
    Entrant::new(THREADS, Shade::Everport, |workers| {
        Ok(Box::new(plain_thread_cluster(workers, Sharing::DEFAULT)))
    })
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
pub(super) const REUSEPORT: &str = "reuseport";
pub(super) const TRANSFER: &str = "transfer";
pub(super) const DISPATCH: &str = "dispatch";
const THREADS: &str = "threads";
const LOSSLESS: &str = "reuseport, everport::http";
const MULTI_THREADED: &str = "multi-threaded";
