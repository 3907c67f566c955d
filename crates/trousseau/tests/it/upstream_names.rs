//! docs/upstream-tests.md names tests: each must be there.

use std::fs;
use std::path::PathBuf;

/// The pairs of a file and a test in a line: two texts in backticks, the first ends in `.rs`.
fn named(line: &str) -> Vec<(&str, &str)> {
    let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
    quoted.windows(2).filter(|pair| pair[0].ends_with(".rs")).map(|pair| (pair[0], pair[1])).collect()
}

fn path(file: &str) -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    match file.split_once('/') {
        Some(("cluster" | "it", _)) => root.join("crates/trousseau/tests").join(file),
        _ => root.join(file),
    }
}

#[test]
fn every_test_that_the_map_of_upstreams_tests_names_is_there() {
    let map = include_str!("../../../../docs/upstream-tests.md");
    let all: Vec<_> = map.lines().flat_map(named).collect();
    for (file, test) in &all {
        let text = fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
    assert!(all.len() > 30, "only {} found: is the map still written as it was?", all.len());
    let rows = map.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| upstream |"));
    for row in rows.filter(|row| !row.starts_with("| what |") && named(row).is_empty()) {
        assert!(row.contains("does not apply") || row.contains("| none: "), "neither a test nor a reason: {row}");
    }
}
