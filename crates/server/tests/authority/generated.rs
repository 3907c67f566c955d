//! Connections built to be valid but for their authority, in every form there is.

use super::{
    oracle::{Seen, filter, filtered, stock},
    wire::{self, Form, PREFACE, authority_forms, encode, literal},
};

/// `:method`, `:scheme` and `:path` by index, `user-agent` and `te` by literals that the table does not keep.
const OTHERS: &[u8] = b"\x83\x86\x84\x0f\x2b\x01t\x00\x02te\x08trailers";
const VALUES: [&str; 5] = ["/run/kms.sock", "%2Frun%2Fkms.sock", "/a", "/run/clé/日本.sock", "a b"];

fn paths_and_lengths(seen: &Seen) -> Vec<(&str, usize)> {
    seen.requests.iter().map(|request| (&request.path[..], request.authority.as_ref().map_or(0, String::len))).collect()
}

/// One request with the value, then one that refers to the table where the form put it there.
fn connection(form: Form, value: &[u8], huffman: bool, first: bool, cut: usize, variant: usize) -> (Vec<u8>, usize) {
    let field = literal(form, value, huffman);
    let block = |authority: &[u8]| {
        // A pseudo-header field must precede the others.
        let (pseudo, regular) = OTHERS.split_at(3);
        if first { [authority, pseudo, regular].concat() } else { [pseudo, authority, regular].concat() }
    };
    let again = if form.kind == 0x40 { vec![0x80 | 62] } else { field.clone() };
    let block1 = block(&field);
    let cut = cut.min(block1.len());
    let padding = [None, Some(0), Some(200)][variant % 3];
    let bytes = [
        PREFACE,
        &wire::request(1, &block1, &[cut], padding, variant % 2 == 1),
        &wire::frame(6, 0, 0, b"pingpong"),
        &wire::request(3, &block(&again), &[], None, false),
    ];
    (bytes.concat(), block1.len())
}

#[test]
fn every_form_and_every_cut_arrives() {
    let mut connections = 0;
    for form in authority_forms() {
        for (huffman, first) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut cut = 0;
            loop {
                let text = VALUES[connections % VALUES.len()];
                let value = if huffman { encode(text.as_bytes()) } else { text.as_bytes().to_vec() };
                let (bytes, length) = connection(form, &value, huffman, first, cut, connections);
                let what = format!("{form:?} {text} huffman {huffman} first {first} cut {cut}");

                let seen = filtered(&bytes, [1, 7, 50, 4096][connections / 7 % 4]);
                assert_eq!((seen.refused, seen.closed), (0, false), "{what}");
                assert_eq!(paths_and_lengths(&seen), [("/", text.len()); 2], "{what}");
                assert!(seen.requests.iter().all(|request| request.fields["te"] == "trailers"), "{what}");

                // Where another value of that length makes a difference, the value is.
                let inverse: Vec<u8> = value.iter().map(|byte| !byte).collect();
                let (other, _) = connection(form, &inverse, huffman, first, cut, connections);
                let out = filter(&bytes, &[bytes.len()]);
                let outside = |i: usize| bytes[i] == other[i];
                assert!((0..bytes.len()).filter(|i| outside(*i)).all(|i| out[i] == bytes[i]), "{what}");

                connections += 1;
                cut += 1;
                if cut > length {
                    break;
                }
            }
        }
    }
    assert!(connections > 1000, "{connections}");
}

#[test]
fn h2_refuses_each_of_these_values() {
    for text in VALUES {
        let form = Form { kind: 0x40, name: Ok(1) };
        let seen = stock(&connection(form, text.as_bytes(), false, true, 0, 0).0);
        assert_eq!((seen.requests.len(), seen.refused), (0, 2), "{text}");
    }
}

#[test]
fn the_huffman_table_is_that_of_h2() {
    // The bytes that a field value may hold; the code's completeness settles the others, as they are in order.
    let text: Vec<u8> = (b' ' + 1..=0xff).filter(|byte| *byte != 0x7f).collect();
    for part in text.chunks(50) {
        let field = literal(Form { kind: 0, name: Err((b"x", false)) }, &encode(part), true);
        let seen = stock(&[PREFACE, &wire::request(1, &[OTHERS, &field].concat(), &[], None, false)].concat());
        assert_eq!(seen.requests[0].fields["x"].as_bytes(), part);
    }
}

/// What the module's documentation names as beyond the filter; no client is known to send it.
#[test]
fn what_stays_refused_costs_its_stream_alone() {
    let static_name = Form { kind: 0, name: Ok(1) };
    let block = |authority: &[u8]| [&OTHERS[..3], authority].concat();
    let kept = literal(Form { kind: 0x40, name: Ok(1) }, b"/run/kms.sock", false);
    let beyond = [
        // The name by index 62: 15 in the prefix, and one more byte.
        [&[0x0f, 62 - 15][..], &literal(static_name, b"/x", false)[1..]].concat(),
        literal(static_name, b"", false),
        literal(static_name, &encode("日本語".as_bytes()), true),
    ];
    for authority in beyond {
        let bytes = [
            PREFACE,
            &wire::request(1, &block(&kept), &[], None, false),
            &wire::request(3, &block(&authority), &[], None, false),
            &wire::request(5, &block(&[0x80 | 62]), &[], None, false),
        ];
        let seen = filtered(&bytes.concat(), 4096);
        assert_eq!((seen.requests.len(), seen.refused, seen.closed), (2, 1, false), "{authority:x?}");
    }
}

#[test]
fn a_block_beyond_the_bound_goes_by_and_later_ones_are_mended() {
    let authority = literal(Form { kind: 0, name: Ok(1) }, b"/run/kms.sock", false);
    let block = [&OTHERS[..3], &authority].concat();
    let filler = literal(Form { kind: 0, name: Err((b"x", false)) }, &[b'x'; 200], false).repeat(170);
    let long = [&block[..], &filler].concat();
    let cuts = [10_000, 20_000, 30_000];
    let small = wire::request(3, &block, &[], None, false);
    let bytes = [PREFACE, &wire::request(1, &long, &cuts, None, false), &small].concat();
    let seen = filtered(&bytes, 4096);
    assert_eq!((seen.requests.len(), seen.refused, seen.closed), (1, 1, false));
    assert_eq!(seen.requests[0].authority.as_deref(), Some("0000000000000"));
}

/// RFC 9113 §6.10: only the CONTINUATION frames of its stream may follow an open block; the first bit is to be ignored.
#[test]
fn a_block_is_what_h2_takes_for_one() {
    let authority = literal(Form { kind: 0, name: Ok(1) }, b"/run/kms.sock", false);
    let block = [&OTHERS[..3], &authority].concat();
    let valid = [PREFACE, &wire::request(1, &block, &[5], None, false)].concat();
    let continuation = valid.len() - (block.len() - 5) - 9;
    for (at, value, requests) in [(0, 0, 1), (5, 0x80, 1), (8, 3, 0), (3, 0, 0)] {
        let mut bytes = valid.clone();
        bytes[continuation + at] = value;
        let seen = filtered(&bytes, 4096);
        assert_eq!((seen.requests.len(), seen.closed), (requests, requests == 0), "byte {at}");
        assert_eq!(filter(&bytes, &[9]) == bytes, requests == 0, "byte {at}");
    }
}
