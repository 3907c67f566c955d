//! Writes the bytes of HTTP/2 clients, including those that no library would send.

// For its table, which h2 then checks.
#[path = "../../src/authority/huffman.rs"]
mod huffman;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// How a header field is written (RFC 7541 §6.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// 0x40 with incremental indexing, 0x00 without, 0x10 never.
    pub(crate) kind: u8,
    /// The name's index; else the name, and whether in Huffman code.
    pub(crate) name: Result<u8, (&'static [u8], bool)>,
}

/// The three literal kinds with each of the three ways to write the name.
pub(crate) fn authority_forms() -> impl Iterator<Item = Form> {
    let names: [Result<u8, (&[u8], bool)>; 3] = [Ok(1), Err((b":authority", false)), Err((b":authority", true))];
    [0x40, 0x00, 0x10].into_iter().flat_map(move |kind| names.map(|name| Form { kind, name }))
}

/// A literal field; `value` is already coded.
pub(crate) fn literal(form: Form, value: &[u8], huffman: bool) -> Vec<u8> {
    let mut field = vec![form.kind | form.name.unwrap_or(0)];
    if let Err((name, huffman)) = form.name {
        field.extend(if huffman { string(&encode(name), true) } else { string(name, false) });
    }
    field.extend(string(value, huffman));
    field
}

/// A string literal (RFC 7541 §5.2) of at most 254 bytes.
fn string(bytes: &[u8], huffman: bool) -> Vec<u8> {
    let flag = u8::from(huffman) << 7;
    let length = u8::try_from(bytes.len()).unwrap();
    let mut string = if length < 127 { vec![flag | length] } else { vec![flag | 127, length - 127] };
    string.extend_from_slice(bytes);
    string
}

/// Huffman code.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let mut bits = String::new();
    for byte in text {
        let (mut first, mut before) = (0, 0);
        for (length, bytes) in huffman::CODE {
            first <<= length - before;
            if let Some(rank) = bytes.iter().position(|other| other == byte) {
                bits += &format!("{:0width$b}", first + rank, width = length as usize);
                break;
            }
            (first, before) = (first + bytes.len(), length);
        }
    }
    bits += &"1".repeat(bits.len().next_multiple_of(8) - bits.len());
    bits.as_bytes().chunks(8).map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap()).collect()
}

/// A frame whose length is right.
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A request without a body: HEADERS and a CONTINUATION for each cut.
pub(crate) fn request(stream: u8, block: &[u8], cuts: &[usize], padding: Option<u8>, priority: bool) -> Vec<u8> {
    let mut parts = Vec::new();
    let mut start = 0;
    for cut in cuts.iter().copied().chain([block.len()]) {
        parts.push(&block[start..cut]);
        start = cut;
    }
    let mut payload = Vec::from_iter(padding);
    payload.extend(priority.then_some([0, 0, 0, 0, 15]).into_iter().flatten());
    payload.extend_from_slice(parts[0]);
    payload.extend(vec![0; usize::from(padding.unwrap_or(0))]);
    let last = parts.len() - 1;
    let end = |i: usize| if i == last { 0x4 } else { 0 };
    let flags = 0x1 | end(0) | u8::from(padding.is_some()) << 3 | u8::from(priority) << 5;
    let mut frames = frame(1, flags, stream, &payload);
    for (i, part) in parts.iter().enumerate().skip(1) {
        frames.extend(frame(9, end(i), stream, part));
    }
    frames
}
