//! Links between our pages lead somewhere: to a file that is there, and to a heading that is in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All pages: those at the root, and those below `docs`.
fn pages(root: &Path) -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/decisions"];
    let entries = folders.map(|folder| fs::read_dir(root.join(folder)).expect("a folder of pages"));
    let paths = entries.into_iter().flatten().flatten().map(|it| it.path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The lines of a page that are no code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where the links of a page lead, as they are written.
fn links(page: &str) -> Vec<String> {
    let targets = prose(page).flat_map(|line| {
        let ends = line.split("](").skip(1);
        ends.filter_map(|rest| rest.split_once(')'))
    });
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// What a heading is called in a link: its letters and digits, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    let lower = heading.trim().to_lowercase();
    let kept: String = lower.chars().filter(kept).collect();
    kept.replace(' ', "-")
}

/// The anchors of a page. A heading that is there twice is counted from its second on.
fn anchors(page: &str) -> Vec<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let mut seen = HashMap::new();
    let named = headings.map(|line| {
        let name = anchor(line.trim_start_matches('#'));
        let before = seen.entry(name.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => name,
            again => format!("{name}-{}", again - 1),
        }
    });
    named.collect()
}

/// Why a link of the page leads nowhere, if it does not.
fn fault(page: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let there = match file {
        "" => page.to_owned(),
        _ => page.parent()?.join(file),
    };
    if !there.exists() {
        return Some(format!("{}: no such file: {target}", page.display()));
    }
    let other = match file {
        "" => text.to_owned(),
        _ if heading.is_empty() => return None,
        _ => fs::read_to_string(&there).ok()?,
    };
    let is_there = anchors(&other).iter().any(|name| name == heading);
    (!is_there).then(|| format!("{}: no such heading: {target}", page.display()))
}

#[test]
fn every_link_between_our_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    let mut faults = Vec::new();
    for page in pages(&root) {
        let text = fs::read_to_string(&page).expect("a text");
        let links = links(&text);
        count += links.len();
        faults.extend(links.iter().filter_map(|link| fault(&page, &text, link)));
    }
    assert!(count > 150, "only {count} links found");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    let text = "# What it `does`\n```\n# no heading\n```\n## Twice\n## Twice\n";
    let is_fine = |target: &str| fault(&page, text, target).is_none();
    assert!(is_fine("#what-it-does") && is_fine("#twice-1") && is_fine("https://example.org/x"));
    assert!(is_fine("threads.md#logs") && is_fine("../README.md") && is_fine("plots"));
    assert!(!is_fine("#no-heading") && !is_fine("#twice-2") && !is_fine("nowhere.md"));
    assert!(!is_fine("threads.md#nowhere"));
    assert_eq!(
        links("a [b](c.md) and [d](e#f)\n```\n[g](h)\n```\n"),
        ["c.md", "e#f"]
    );
}
