//! Addresses as people write them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::{PortAddress, ToPortAddress};

/// A text for `listen`, and the same as a path for `listen_unix`.
///
/// # Panics
/// When an address that was understood is understood differently once it is displayed.
pub fn address(bytes: &[u8]) {
    let unix = PortAddress::unix(OsStr::from_bytes(bytes));
    assert!(unix.to_string().starts_with("unix:"), "{unix:?}");
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(understood) = text.to_port_address() {
        let displayed = PortAddress::from(understood).to_string();
        assert_eq!(displayed.to_port_address(), Ok(understood), "{text:?}");
    }
}
