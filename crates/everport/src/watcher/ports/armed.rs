//! Which of a port's sockets are armed, so that only those whose own state changes cost a system call.

/// The sockets of a port, or the channels of its workers, whose next connection is reported. They are told apart by what
/// never means two at the same time.
#[derive(Debug)]
pub(super) struct Armed<Name> {
    /// In order.
    names: Vec<Name>,
}

impl<Name> Default for Armed<Name> {
    fn default() -> Self {
        Self { names: Vec::new() }
    }
}

impl<Name: Ord + Copy> Armed<Name> {
    /// Takes every socket there is, in the order of their names, each with whether its next connection is to be reported.
    /// Leaves alone what is as it should be: in a cluster of a thousand workers one of them changes, and the others would
    /// cost a system call each. What the system refuses to arm is tried again the next time.
    pub(super) fn fit<Socket>(
        &mut self,
        sockets: impl Iterator<Item = (Name, Socket, bool)>,
        arm: impl Fn(Name, Socket) -> bool,
        disarm: impl Fn(Name, Socket),
    ) {
        let mut armed = Vec::with_capacity(self.names.len());
        for (name, socket, is_due) in sockets {
            let is_armed = match (self.has(name), is_due) {
                (false, true) => arm(name, socket),
                (true, false) => {
                    disarm(name, socket);
                    false
                }
                (true, true) | (false, false) => is_due,
            };
            if is_armed {
                armed.push(name);
            }
        }
        self.names = armed;
    }

    fn has(&self, name: Name) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// This one is not armed any more, because it has left the watch or was disarmed.
    pub(super) fn forget(&mut self, name: Name) {
        if let Ok(index) = self.names.binary_search(&name) {
            self.names.remove(index);
        }
    }

    /// Those that are armed, in order.
    #[cfg(test)]
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    /// All that were armed, for the caller to disarm.
    pub(super) fn take(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.names)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What was armed (`true`) and disarmed when these of a thousand are due.
    fn changes(armed: &mut Armed<u32>, is_due: impl Fn(u32) -> bool) -> Vec<(u32, bool)> {
        let made = RefCell::new(Vec::new());
        armed.fit(
            (0..1000).map(|name| (name, (), is_due(name))),
            |name, ()| {
                made.borrow_mut().push((name, true));
                true
            },
            |name, ()| made.borrow_mut().push((name, false)),
        );
        made.into_inner()
    }

    #[test]
    fn one_change_among_a_thousand_concerns_one() {
        let mut armed = Armed::default();
        assert_eq!(changes(&mut armed, |_| true).len(), 1000);
        assert_eq!(changes(&mut armed, |_| true), []);
        assert_eq!(changes(&mut armed, |name| name != 500), [(500, false)]);
        assert_eq!(changes(&mut armed, |_| true), [(500, true)]);
        armed.forget(7);
        assert_eq!(changes(&mut armed, |_| true), [(7, true)]);
        assert_eq!(armed.take().len(), 1000);
        assert_eq!(changes(&mut armed, |name| name == 1), [(1, true)]);
    }

    #[test]
    fn one_that_goes_is_forgotten_and_one_that_is_refused_is_tried_again() {
        let mut armed = Armed::default();
        armed.fit(
            [(1, (), true), (2, (), true)].into_iter(),
            |_, ()| true,
            |_, ()| (),
        );
        armed.fit(
            [(2, (), true), (3, (), true)].into_iter(),
            |_, ()| false,
            |_, ()| (),
        );
        assert_eq!(armed.names(), [2]);
    }
}
