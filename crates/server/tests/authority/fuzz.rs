//! Arbitrary and mutated clients: `cargo test` tries random ones, `cargo bolero` searches.

use std::time::Duration;

use bolero::{TypeGenerator, check};

use super::{
    golden::captures,
    oracle::{filter, filtered, frames, stock},
    wire::{self, Form, PREFACE, authority_forms, encode, literal},
};

/// How long `cargo test` tries.
const TIME: Duration = Duration::from_secs(3);

/// What holds for all input; returns the output.
fn check_filter(bytes: &[u8], lengths: &[usize]) -> Vec<u8> {
    let out = filter(bytes, &[bytes.len()]);
    assert!(out == filter(bytes, lengths), "depends on how the bytes are cut");
    assert!(out == filter(bytes, &[1]), "depends on how the bytes are cut");
    assert!(out == filter(&out, lengths), "not idempotent");
    assert_eq!(out.len(), bytes.len());
    let (before, after) = (bytes.get(24..).unwrap_or_default(), out.get(24..).unwrap_or_default());
    assert_eq!(bytes[..24.min(bytes.len())], out[..24.min(bytes.len())]);
    for ((kind, before), (same, after)) in frames(before).into_iter().zip(frames(after)) {
        assert_eq!(kind, same);
        assert!(before == after || [1, 9].contains(&kind), "a frame of kind {kind} changed");
    }
    out
}

#[derive(Debug, TypeGenerator)]
enum Piece {
    Bytes(Vec<u8>),
    Frame { kind: u8, flags: u8, stream: u8, payload: Vec<u8> },
    Headers { more: bool, flags: u8, stream: bool, fields: Vec<Field> },
    Continuation { more: bool, stream: bool, fields: Vec<Field> },
}

#[derive(Debug, TypeGenerator)]
enum Field {
    Bytes(Vec<u8>),
    Authority { form: u8, value: Vec<u8>, huffman: bool, valid: bool },
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Authority { form, value, huffman, valid } => {
                let form = authority_forms().nth(usize::from(*form) % 9).unwrap();
                let value = &value[..value.len().min(60)];
                literal(form, &if *valid && *huffman { encode(value) } else { value.to_vec() }, *huffman)
            }
        }
    }
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let block = |fields: &[Field]| fields.iter().flat_map(Field::bytes).collect::<Vec<u8>>();
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Frame { kind, flags, stream, payload } => wire::frame(*kind % 12, *flags, *stream, payload),
            Self::Headers { more, flags, stream, fields } => {
                wire::frame(1, flags & 0x29 | u8::from(!more) << 2, 1 + u8::from(*stream), &block(fields))
            }
            Self::Continuation { more, stream, fields } => {
                wire::frame(9, u8::from(!more) << 2, 1 + u8::from(*stream), &block(fields))
            }
        }
    }
}

#[test]
fn arbitrary_frames_keep_the_rules() {
    check!().with_test_time(TIME).with_max_len(400).with_type::<(Vec<Piece>, Vec<u8>)>().for_each(
        |(pieces, lengths)| {
            let bytes: Vec<u8> = PREFACE.iter().copied().chain(pieces.iter().flat_map(Piece::bytes)).collect();
            let lengths: Vec<usize> = lengths.iter().map(|length| usize::from(*length)).chain([13]).collect();
            check_filter(&bytes, &lengths);
        },
    );
}

#[test]
fn mutated_clients_keep_the_rules_and_lose_no_request() {
    let mut clients: Vec<Vec<u8>> =
        captures().into_iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.len() < 1000).collect();
    for (i, form) in authority_forms().enumerate() {
        let fields = |form: Form, huffman| {
            let value = if huffman { encode(b"%2Frun%2Fkms.sock") } else { b"/run/kms.sock".to_vec() };
            [b"\x83\x86\x84", &literal(form, &value, huffman)[..], b"\x00\x02te\x08trailers"].concat()
        };
        let first = wire::request(1, &fields(form, i % 2 == 0), &[2 * i], Some(3), i % 2 == 1);
        let second = wire::request(3, &fields(form, i % 2 == 1), &[i, 3 * i], None, true);
        clients.push([PREFACE, &first, &second].concat());
    }
    check!().with_test_time(TIME).with_type::<(u8, [(u16, u8); 3], u8)>().for_each(|(client, changes, count)| {
        let mut bytes = clients[usize::from(*client) % clients.len()].clone();
        for (at, value) in &changes[..usize::from(*count) % 4] {
            let at = usize::from(*at) % bytes.len();
            bytes[at] = *value;
        }
        let out = check_filter(&bytes, &[usize::from(*client) + 1, 3]);
        let with = filtered(&bytes, 4096);
        // After an error of the connection h2 drops requests it has not handed out, which depends on the reads.
        assert!(with.closed || with.requests == stock(&out).requests, "the stream and the filter differ");
        // All that h2 took without the filter it takes with it, unchanged.
        let mut with = with.requests.iter();
        for request in stock(&bytes).requests {
            assert!(with.any(|other| *other == request), "lost or changed {request:?}");
        }
    });
}
