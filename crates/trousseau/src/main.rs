//! Trousseau.
fn main() {}
