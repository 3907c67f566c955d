//! What a wrap consists of: what the other plugin answered, and what our key sealed.
//!
//! `01`; u16 length of key_id and key_id (length 0 = the version in our header is the key_id); u8 number of annotations,
//! each u8 length and name, u16 length and value; u16 length of the ciphertext and it; then the sealed plaintext. All
//! numbers big-endian. Everything before the sealed plaintext is bound into it.

use std::collections::BTreeMap;

use crate::seal::TAG;

const LAYOUT: u8 = 1;

/// What the other plugin answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its key_id, where our header has no room for it.
    pub(crate) key_id: Option<String>,
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Record {
    /// Its bytes; `None` if a part is longer than its length can say.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![LAYOUT];
        let long = |bytes: &mut Vec<u8>, part: &[u8]| {
            bytes.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(part);
            Some(())
        };
        long(&mut bytes, self.key_id.as_deref().unwrap_or_default().as_bytes())?;
        bytes.push(u8::try_from(self.annotations.len()).ok()?);
        for (name, value) in &self.annotations {
            bytes.push(u8::try_from(name.len()).ok()?);
            bytes.extend_from_slice(name.as_bytes());
            long(&mut bytes, value)?;
        }
        long(&mut bytes, &self.ciphertext)?;
        Some(bytes)
    }

    /// A wrap's record, its bytes, and what is sealed behind it; `None` for what no wrap looks like.
    pub(crate) fn parse(wrap: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let mut rest = wrap;
        if take(&mut rest, 1)? != [LAYOUT] {
            return None;
        }
        let key_id = text(long(&mut rest)?)?;
        let mut annotations = BTreeMap::new();
        for _ in 0..take(&mut rest, 1)?[0] {
            let length = usize::from(take(&mut rest, 1)?[0]);
            let name = text(take(&mut rest, length)?)?;
            annotations.insert(name, long(&mut rest)?.to_vec());
        }
        let ciphertext = long(&mut rest)?.to_vec();
        if ciphertext.is_empty() || rest.len() < TAG {
            return None;
        }
        let key_id = Some(key_id).filter(|text| !text.is_empty());
        let (head, sealed) = wrap.split_at(wrap.len() - rest.len());
        Some((Self { key_id, annotations, ciphertext }, head, sealed))
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 2)?;
    take(rest, usize::from(u16::from_be_bytes([length[0], length[1]])))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::Record;

    fn record(key_id: Option<&str>) -> Record {
        let annotations = [("a.b".to_owned(), vec![1, 2]), ("c".to_owned(), Vec::new())].into();
        Record { key_id: key_id.map(str::to_owned), annotations, ciphertext: vec![9; 5] }
    }

    #[test]
    fn what_was_written_is_read() {
        for record in [record(None), record(Some("k")), Record { ciphertext: vec![1], ..Record::default() }] {
            let head = record.encode().unwrap();
            let wrap = [head.as_slice(), &[7; 48]].concat();
            assert_eq!(Record::parse(&wrap).unwrap(), (record, head.as_slice(), &[7; 48][..]));
        }
    }

    #[test]
    fn golden_bytes_do_not_change() {
        let bytes = [1, 0, 1, b'k', 2, 3, b'a', b'.', b'b', 0, 2, 1, 2, 1, b'c', 0, 0, 0, 5, 9, 9, 9, 9, 9];
        assert_eq!(record(Some("k")).encode().unwrap(), bytes);
    }

    #[test]
    fn what_is_cut_or_grown_is_no_wrap_and_never_a_panic() {
        let wrap = [record(Some("k")).encode().unwrap(), vec![7; 16]].concat();
        for length in 0..wrap.len() {
            assert!(Record::parse(&wrap[..length]).is_none(), "{length}");
        }
        for at in 0..wrap.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = wrap.clone();
                bad[at] = value;
                drop(Record::parse(&bad));
            }
        }
        assert!(Record::parse(&[0xFF; 1024]).is_none());
    }

    #[test]
    fn a_part_that_is_too_long_has_no_bytes() {
        assert_eq!(Record { ciphertext: vec![0; 70_000], ..Record::default() }.encode(), None);
        let annotations = [("n".repeat(300), Vec::new())].into();
        assert_eq!(Record { annotations, ..record(None) }.encode(), None);
    }
}
