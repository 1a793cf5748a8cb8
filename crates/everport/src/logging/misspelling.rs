//! Finds the level that was meant by a word that is none.

/// What may be misspelt, and the level that was meant then.
const LEVELS: [(&str, &str); 7] = [
    ("off", "off"),
    ("error", "error"),
    ("warn", "warn"),
    ("warning", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
];

/// The level that a word resembles, if it does: by one slip, or two where the level's name is long enough to be known
/// by what is left.
pub(super) fn level_resembling(word: &str) -> Option<&'static str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let by_slips = LEVELS.map(|(name, level)| (slips(&word, name), name, level));
    let close = by_slips.into_iter().filter(|(slips, name, _)| {
        let bearable = if name.len() > 4 { 2 } else { 1 };
        *slips <= bearable
    });
    close
        .min_by_key(|(slips, ..)| *slips)
        .map(|(.., level)| level)
}

/// How many letters have to be added, removed, replaced or exchanged with their neighbour to make one word the other.
fn slips(word: &[char], name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=name.len()).collect()];
    for (index, letter) in word.iter().enumerate() {
        let mut row = vec![index + 1];
        for (column, other) in name.iter().enumerate() {
            let replaced = rows[index][column] + usize::from(letter != other);
            let mut least = replaced
                .min(rows[index][column + 1] + 1)
                .min(row[column] + 1);
            if index > 0 && column > 0 && *letter == name[column - 1] && word[index - 1] == *other {
                least = least.min(rows[index - 1][column - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[word.len()][name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_known() {
        for (word, level) in [
            ("debgu", "debug"),
            ("DEBG", "debug"),
            ("dbg", "debug"),
            ("wran", "warn"),
            ("Warning", "warn"),
            ("warnings", "warn"),
            ("inof", "info"),
            ("errors", "error"),
            ("tarce", "trace"),
            ("of", "off"),
        ] {
            assert_eq!(level_resembling(word), Some(level), "{word}");
        }
    }

    #[test]
    fn other_words_are_targets() {
        let words = [
            "shop",
            "shop::db",
            "hello",
            "main",
            "db",
            "io",
            "app",
            "web",
            "tower",
            "hyper",
            "worker",
            "order",
            "tracing",
            "panic",
            "loud",
            "übung",
            "debug_server",
        ];
        for word in words {
            assert_eq!(level_resembling(word), None, "{word}");
        }
    }
}
