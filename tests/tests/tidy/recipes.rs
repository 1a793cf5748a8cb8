//! The code of the page of recipes is that of the examples.

use std::fs;
use std::path::Path;

/// The blocks of Rust on a page.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    let after_fences = page.split("\n```rust\n").skip(1);
    after_fences.filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block))
}

/// The text without what its lines begin with: an example may be shown without the function around it.
fn without_margin(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    lines.join("\n")
}

#[test]
fn every_recipe_is_code_of_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/recipes.md")).expect("the page of recipes");
    let examples = super::texts_of(&root.join("examples"));
    let sources: Vec<String> = examples.values().map(|text| without_margin(text)).collect();
    let is_there = |block: &str| {
        let block = without_margin(block);
        sources.iter().any(|text| text.contains(&block))
    };
    let mut count = 0;
    for block in blocks(&page) {
        assert!(is_there(block), "no example has:\n{block}");
        count += 1;
    }
    assert!(count > 5, "only {count} blocks found");
    assert!(!is_there("fn nowhere() {}"));
}
