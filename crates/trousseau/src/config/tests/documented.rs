//! What stands in the documents as a whole configuration is one.

use std::fs;
use std::path::Path;

use super::read;

/// The blocks of a page below this comment.
fn blocks<'a>(page: &'a str, marker: &str) -> Vec<&'a str> {
    let after = page.split(marker).skip(1);
    after.filter_map(|rest| rest.split_once("```")?.1.split_once("\n```")?.0.split_once('\n').map(|it| it.1)).collect()
}

#[cfg(feature = "aws")]
#[test]
fn the_configurations_on_the_pages_of_the_providers_are_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers");
    let (mut pages, mut found) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let configurations = blocks(&page, "<!-- test: config -->");
        assert!(!configurations.is_empty(), "{} shows no whole configuration", path.display());
        for text in configurations {
            read(text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", path.display()));
            found += 1;
        }
        for text in blocks(&page, "<!-- test: json -->") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{text}", path.display());
        }
        pages += 1;
    }
    assert!(pages >= 2 && found >= 4, "{found} configurations on {pages} pages");
}
