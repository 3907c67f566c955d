//! The only crate with unsafe code: what the operating system offers and no safe crate does.
