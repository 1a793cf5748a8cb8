//! The paper that every plot is drawn on: its size, its style and its title.

use std::fmt::{self, Formatter};

use super::style;
use super::words::{Escaped, text};

/// How wide every plot is.
pub(super) const WIDTH: f64 = 960.0;

/// Begins a document of this height, with its title so far from the left side. Its end is `</svg>`.
pub(super) fn begin(f: &mut Formatter<'_>, height: f64, left: f64, title: &str) -> fmt::Result {
    let name = Escaped(title);
    writeln!(
        f,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{name}\"><title>{name}</title><style>{}</style>\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>",
        style::SHEET
    )?;
    text(f, "text title", (left, 24.0), "start", title)
}
