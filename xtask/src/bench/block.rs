//! One part's figures: the table in docs/performance.md, and the raw ones beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::guard::Guard;
use crate::cargo::root;

/// What one part came to.
pub(crate) struct Block {
    /// The name in the page's markers and of the file with the raw figures.
    pub(crate) name: &'static str,
    /// Markdown.
    pub(crate) table: String,
    /// All that was measured.
    pub(crate) figures: Value,
    /// What must hold.
    pub(crate) guards: Vec<Guard>,
}

const PAGE: &str = "docs/performance.md";

impl Block {
    /// Replaces this block in the page and its file of raw figures.
    pub(crate) fn keep(&self, machine: &str) -> Result<()> {
        let page = Path::new(root()).join(PAGE);
        let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        let body = format!("{}\n{machine}\n", self.with_guards());
        let text = replaced(&text, self.name, &body)
            .with_context(|| format!("{PAGE} has no lines `{}` and `{END}` behind it", marker(self.name)))?;
        fs::write(&page, text).with_context(|| page.display().to_string())?;
        let folder = Path::new(root()).join("docs/performance");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(format!("{}.json", self.name));
        let raw = json!({"machine": machine, "figures": self.figures});
        fs::write(&file, format!("{raw:#}\n")).with_context(|| file.display().to_string())
    }

    fn with_guards(&self) -> String {
        let guards: String = self.guards.iter().map(|guard| format!("* {guard}\n")).collect();
        if guards.is_empty() { self.table.clone() } else { format!("{}\n{guards}", self.table) }
    }
}

const END: &str = "<!-- end -->";

fn marker(name: &str) -> String {
    format!("<!-- cargo xtask bench: {name} -->")
}

/// The page with another body between a block's markers; `None` where they are missing.
fn replaced(page: &str, name: &str, body: &str) -> Option<String> {
    let (before, rest) = page.split_once(&marker(name))?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{}\n{body}{END}{after}", marker(name)))
}

/// A Markdown table.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.to_vec());
    text += &line(head.iter().map(|_| "---").collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{replaced, table};

    #[test]
    fn only_the_named_block_is_replaced() {
        let page =
            "a\n<!-- cargo xtask bench: one -->\nold\n<!-- end -->\nb\n<!-- cargo xtask bench: two -->\n<!-- end -->\n";
        let one = replaced(page, "one", "new\n").unwrap();
        assert_eq!(one, page.replace("old", "new"));
        assert_eq!(replaced(&one, "one", "old\n").unwrap(), page, "and again");
        assert_eq!(replaced(page, "three", "new"), None);
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let text = table(&["a", "b"], &[vec!["1".into(), "2".into()]]);
        assert_eq!(text, "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
