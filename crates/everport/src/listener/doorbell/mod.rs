//! Wakes a thread that blocks on descriptors.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod eventfd;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod pipe;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use eventfd::Doorbell;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use pipe::Doorbell;

#[cfg(test)]
mod tests {
    use super::Doorbell;
    use crate::listener::waiting::has_waiting;

    #[test]
    fn it_rings_until_it_is_hushed_however_often_it_was_rung() {
        let bell = Doorbell::new().unwrap();
        assert!(!has_waiting(&bell));
        for times in [1, 100] {
            (0..times).for_each(|_| bell.ring());
            assert!(has_waiting(&bell));
            bell.hush();
            assert!(!has_waiting(&bell));
        }
        bell.hush();
        bell.ring();
        assert!(has_waiting(&bell));
    }

    #[test]
    fn nobody_waits_at_a_bell_that_nobody_hushes() {
        let bell = Doorbell::new().unwrap();
        // More often than a pipe holds bytes.
        (0..100_000).for_each(|_| bell.ring());
        assert!(has_waiting(&bell));
    }
}
