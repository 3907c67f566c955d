//! A walk over the fields of a header block, without the tables (RFC 7541 §6).

use std::ops::Range;

use http::uri::Authority;

use super::huffman;

const NAME: &[u8] = b":authority";
/// `:authority`, Huffman coded; there is one way to write it.
const NAME_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];
/// Where the static table has `:authority` (RFC 7541 Appendix A).
const NAME_INDEX: usize = 1;

/// Overwrites each `:authority` in a header block that h2 would refuse, up to the first thing that is not HPACK.
pub(super) fn mend(block: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = mend_field(block, at) {
        at = next;
    }
}

/// Mends the field at `at`, and says where the next one is.
fn mend_field(block: &mut [u8], at: usize) -> Option<usize> {
    let first = *block.get(at)?;
    let (prefix, literal) = match first {
        0x80.. => (7, false),      // indexed field (6.1)
        0x40..=0x7f => (6, true),  // literal with incremental indexing (6.2.1)
        0x20..=0x3f => (5, false), // table size update (6.3)
        0x00..=0x1f => (4, true),  // literal without indexing, or never indexed (6.2.2, 6.2.3)
    };
    let (index, mut at) = integer(block, at, prefix)?;
    if !literal {
        return Some(at);
    }
    let mut is_authority = index == NAME_INDEX;
    if index == 0 {
        let name = string(block, at)?;
        is_authority = block[name.bytes.clone()] == *if name.huffman { NAME_HUFFMAN } else { NAME };
        at = name.bytes.end;
    }
    let value = string(block, at)?;
    if is_authority {
        mend_value(&mut block[value.bytes.clone()], value.huffman);
    }
    Some(value.bytes.end)
}

fn mend_value(value: &mut [u8], huffman: bool) {
    // The test is the one that h2 makes on the value it decoded.
    if !huffman {
        if Authority::try_from(&*value).is_err() {
            value.fill(b'0');
        }
    } else if let Some(text) = huffman::decode(value)
        && Authority::try_from(&text[..]).is_err()
    {
        huffman::fill(value, text.len());
    }
}

/// A string literal (RFC 7541 §5.2): where its bytes are, and how they are coded.
struct Text {
    bytes: Range<usize>,
    huffman: bool,
}

fn string(block: &[u8], at: usize) -> Option<Text> {
    let huffman = block.get(at)? & 0x80 != 0;
    let (length, start) = integer(block, at, 7)?;
    let bytes = start..start.checked_add(length)?;
    block.get(bytes.clone())?;
    Some(Text { bytes, huffman })
}

/// An integer (RFC 7541 §5.1) of at most five bytes, as in h2, and where it ends.
fn integer(block: &[u8], at: usize, prefix: u32) -> Option<(usize, usize)> {
    let mask = (1 << prefix) - 1;
    let mut value = usize::from(block.get(at)? & mask);
    if value < usize::from(mask) {
        return Some((value, at + 1));
    }
    for (i, byte) in block.get(at + 1..)?.iter().take(4).enumerate() {
        value += usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, at + 2 + i));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_the_rfc() {
        // RFC 7541 C.1.
        assert_eq!(integer(&[0b1110_1010], 0, 5), Some((10, 1)));
        assert_eq!(integer(&[0b1111_1111, 0b1001_1010, 0b0000_1010], 0, 5), Some((1337, 3)));
        assert_eq!(integer(&[0, 42], 1, 7), Some((42, 2)));
        assert_eq!(integer(&[0xff, 0xff, 0xff, 0xff, 0xff, 0], 0, 7), None, "six bytes");
        assert_eq!(integer(&[0xff, 0xff], 0, 7), None, "cut");
    }

    #[test]
    fn only_a_refused_authority_changes() {
        for (before, after) in [
            (&b"\x41\x02/x"[..], &b"\x41\x0200"[..]),
            (b"\x41\x01x", b"\x41\x01x"),
            (b"\x44\x02/x", b"\x44\x02/x"),
            (b"\x82\x3f\x61\x10\x0a:authority\x03%2F\x84", b"\x82\x3f\x61\x10\x0a:authority\x03000\x84"),
            (b"\x2f\x41\x02/x", b"\x2f\x41\x0200"),
            (b"\x41\x03/x", b"\x41\x03/x"),
        ] {
            let mut block = before.to_vec();
            mend(&mut block);
            assert_eq!(block, after, "{before:x?}");
        }
    }

    #[test]
    fn the_name_is_known_in_huffman_form() {
        assert_eq!(huffman::decode(NAME_HUFFMAN).unwrap(), NAME);
    }
}
