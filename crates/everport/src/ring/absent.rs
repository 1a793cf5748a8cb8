//! Where there is no ring: nobody is given one, so none of this is ever called.

/// The worker's side.
#[cfg(any(test, feature = "tracing"))]
#[derive(Debug)]
pub(crate) enum Producer {}

#[cfg(any(test, feature = "tracing"))]
impl Producer {
    /// Hands a record over; `false` when it was dropped.
    #[cfg_attr(not(test), expect(dead_code, reason = "the layer calls it"))]
    pub(crate) fn hand_over(&self, _record: &[u8]) -> bool {
        match *self {}
    }
}
