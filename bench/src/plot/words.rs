//! Words on the paper.

use std::fmt::{self, Display, Formatter};

/// Words at a point, which is their begin, middle or end.
pub(super) fn text(
    f: &mut Formatter<'_>,
    class: &str,
    (x, y): (f64, f64),
    anchor: &str,
    words: &str,
) -> fmt::Result {
    let words = Escaped(words);
    writeln!(
        f,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    )
}

/// Text that cannot be taken for markup.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                _ => write!(f, "{character}"),
            }?;
        }
        Ok(())
    }
}

/// Every element is closed in order.
#[cfg(test)]
pub(super) fn check_tags(text: &str) {
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
