//! The Huffman code of HPACK strings (RFC 7541 §5.2 and Appendix B).

/// Bits per code and the bytes with codes of that length, shortest first.
///
/// The code is canonical: codes of one length count upwards, and go on one digit longer where the shorter ones end. So
/// lengths and order are the whole of it. The one code left over, thirty ones, is EOS.
#[rustfmt::skip]
pub(super) const CODE: [(u32, &[u8]); 21] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (22, b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9"),
    (23, b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef"),
    (24, b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (26, b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff"),
    (27, b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe"),
    (28, b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9"),
    (30, b"\n\r\x16"),
];

/// The text that `encoded` stands for, if it is one: codes, then less than a byte of ones.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(encoded.len() * 8 / 5);
    let mut bits = encoded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    'text: loop {
        // `first` is the first code of the length that `code` has.
        let (mut code, mut first, mut length) = (0u32, 0u32, 0);
        for (bits_per_code, bytes) in CODE {
            while length < bits_per_code {
                let Some(bit) = bits.next() else {
                    return (length < 8 && code == (1 << length) - 1).then_some(text);
                };
                (code, first, length) = (code << 1 | u32::from(bit), first << 1, length + 1);
            }
            if let Some(byte) = bytes.get((code - first) as usize) {
                text.push(*byte);
                continue 'text;
            }
            first += bytes.len() as u32;
        }
        // EOS, which must not appear (RFC 7541 §5.2).
        return None;
    }
}

/// Overwrites `encoded` with the code of `length` digits and tildes, both of which an authority may hold.
///
/// Does nothing if even tildes alone would leave over more room than the padding may take.
pub(super) fn fill(encoded: &mut [u8], length: usize) {
    // A `0` takes 5 bits, 00000, and a `~` takes 13, 1111111111101; what is left is below 8 and becomes the padding.
    let Some(tildes) = (encoded.len() * 8).checked_sub(length * 5).map(|spare| spare / 8) else { return };
    if tildes > length {
        return;
    }
    encoded.fill(0xff);
    let mut at = 0;
    for i in 0..length {
        let (zeros, width) = if i < tildes { (11..12, 13) } else { (0..5, 5) };
        for bit in zeros.map(|zero| at + zero) {
            encoded[bit / 8] &= !(0x80 >> (bit % 8));
        }
        at += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_complete() {
        let mut all: Vec<u8> = CODE.iter().flat_map(|(_, bytes)| *bytes).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..=255).collect::<Vec<u8>>());
        assert!(CODE.iter().all(|(_, bytes)| bytes.is_sorted()));
        let used: u32 = CODE.iter().map(|(bits, bytes)| (bytes.len() as u32) << (30 - bits)).sum();
        assert_eq!(used, (1 << 30) - 1, "one code of 30 bits is left for EOS");
    }

    #[test]
    fn examples_of_the_rfc_decode() {
        // RFC 7541 C.4.1, C.4.3, C.6.1, C.6.3.
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&www).unwrap(), b"www.example.com");
        assert_eq!(decode(&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]).unwrap(), b"custom-value");
        assert_eq!(decode(&[0x64, 0x02]).unwrap(), b"302");
        assert_eq!(decode(&[0x9b, 0xd9, 0xab]).unwrap(), b"gzip");
    }

    #[test]
    fn bad_padding_and_eos_are_refused() {
        assert_eq!(decode(&[0x07]).unwrap(), b"0", "three ones of padding");
        for bad in [&[0x06][..], &[0xff], &[0x07, 0xff], &[0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(decode(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn a_filled_string_has_the_length_asked_for() {
        for size in 0..40 {
            for length in 1..=size * 8 / 5 {
                let mut encoded = vec![0; size];
                fill(&mut encoded, length);
                if size * 8 < length * 13 + 8 {
                    let text = decode(&encoded).unwrap();
                    assert_eq!(text.len(), length);
                    assert!(http::uri::Authority::try_from(&text[..]).is_ok());
                } else {
                    assert!(encoded.iter().all(|byte| *byte == 0), "left alone");
                }
            }
        }
    }
}
