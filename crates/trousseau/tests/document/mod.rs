//! Commands and files out of the documents.

use std::fs;
use std::path::Path;

/// The fenced block behind `<!-- test: NAME -->` in a file of this repository.
pub(crate) fn block(file: &str, name: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- test: {name} -->\n```")).expect("the block is in the document");
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}
