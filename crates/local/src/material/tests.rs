use super::{KEY_BYTES, Material, OpenError};

/// Made by another implementation (tests/golden/make.py); lies in etcd. Never changes.
const GOLDEN: &str = include_str!("../../tests/golden/wraps.txt");

fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim_matches('-');
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn line(name: &str) -> Vec<&'static str> {
    let found = GOLDEN.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words[0] == name);
    found.unwrap()[1..].to_vec()
}

fn golden_key() -> Material {
    let key: [u8; KEY_BYTES] = unhex(line("key")[0]).try_into().unwrap();
    Material::new(&key).unwrap()
}

#[test]
fn i12_golden_wraps_open() {
    for name in ["seed", "ping", "none"] {
        let words = line(name);
        let [aad, plaintext, wrap] = [0, 1, 2].map(|at| unhex(words[at]));
        assert_eq!(golden_key().open(&wrap, &aad).unwrap().expose(), plaintext, "{name}");
    }
}

#[test]
fn i3_fingerprint_is_the_golden_one() {
    assert_eq!(golden_key().fingerprint(), line("fingerprint")[0]);
}

#[test]
fn i1_a_wrap_of_a_seed_has_92_bytes_and_opens() {
    let key = golden_key();
    let wrap = key.wrap(&[7; 32], b"aad").unwrap();
    assert_eq!(wrap.len(), 92);
    assert_eq!(key.open(&wrap, b"aad").unwrap().expose(), [7; 32]);
    assert_ne!(wrap, key.wrap(&[7; 32], b"aad").unwrap());
}

#[test]
fn salt_nonce_and_text_are_all_bound() {
    let key = golden_key();
    let wrap = key.wrap(&[7; 32], b"aad").unwrap();
    for at in 0..wrap.len() {
        let mut bad = wrap.clone();
        bad[at] ^= 1;
        assert_eq!(key.open(&bad, b"aad").unwrap_err(), OpenError::Unauthentic, "byte {at}");
    }
    assert_eq!(key.open(&wrap, b"aae").unwrap_err(), OpenError::Unauthentic);
    for length in 0..60 {
        assert_eq!(key.open(&wrap[..length], b"aad").unwrap_err(), OpenError::Short, "{length} bytes");
    }
}
