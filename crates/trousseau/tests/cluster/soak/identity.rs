//! Which key_id belongs to which key version, in etcd and in Status.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use trousseau_cluster::{Etcd, wait};
use trousseau_record::Stored;

use super::Run;
use super::load::PREFIX;
use crate::client::Client;
use crate::rig::{PROVIDER, secret_path};

/// The key_ids that records were written under, by the key version in their header.
#[derive(Debug, Default)]
pub(crate) struct Identities(Mutex<BTreeMap<u32, String>>);

impl Identities {
    /// Reads all Secrets from etcd; how many there are.
    pub(crate) fn scan(&self, etcd: &Etcd, run: &Run) -> usize {
        let stored = etcd.range(&secret_path(PREFIX)).unwrap();
        for (path, value) in &stored {
            match Stored::parse(value) {
                Stored::KmsV2 { provider, object } if provider == PROVIDER => {
                    self.used(path, &object.encrypted_dek_source, &object.key_id, run);
                }
                _ => run.wrong(format!("{path} lies in etcd as something else than our record")),
            }
        }
        stored.len()
    }

    fn used(&self, path: &str, wrap: &[u8], key_id: &str, run: &Run) {
        // FE 54 01, algorithm, provider, version.
        let Some(version) = wrap.get(5..9).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else {
            return run.wrong(format!("{path} has a wrap without a header"));
        };
        let mut known = self.0.lock().unwrap();
        let expected = known.entry(version).or_insert_with(|| key_id.to_owned());
        if expected != key_id {
            run.wrong(format!("i3: {path}: version {version} is {key_id} and was {expected}"));
        }
        if known.iter().any(|(other, id)| *other != version && id == key_id) {
            run.wrong(format!("i3: {path}: {key_id} stands for version {version} and for another"));
        }
    }

    /// Asks for Status until the run is over. It must not go back behind an id that is in use.
    pub(crate) fn watch(&self, client: &mut Client, run: &Run) {
        while !run.is_over() {
            let newest = self.newest();
            if let (Some((newest, its_id)), Ok(status)) = (newest, client.status()) {
                let told = self.0.lock().unwrap().iter().find(|(_, id)| **id == status.key_id).map(|(told, _)| *told);
                if told.is_some_and(|told| told < newest) {
                    run.wrong(format!("i2: Status went back to version {told:?}; {newest} ({its_id}) was in use"));
                }
            }
            wait::pause(Duration::from_millis(100));
        }
    }

    /// The highest version that a record was written under, with its id.
    pub(crate) fn newest(&self) -> Option<(u32, String)> {
        self.0.lock().unwrap().last_key_value().map(|(version, id)| (*version, id.clone()))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl fmt::Display for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = self.newest().map_or(0, |(version, _)| version);
        write!(f, "{} key versions in use so far, the newest is {newest}", self.count())
    }
}

#[test]
fn soaks_identities_notice_each_kind_of_mix_up() {
    let header = |version: u8| [0xFE, 0x54, 1, 1, 2, 0, 0, 0, version];
    let identities = Identities::default();
    let good = Run::default();
    identities.used("a", &header(1), "t1.one", &good);
    identities.used("b", &header(2), "t1.two", &good);
    identities.used("c", &header(1), "t1.one", &good);
    assert!(good.wrong.lock().unwrap().is_empty());
    assert_eq!(identities.newest(), Some((2, "t1.two".into())));
    for (wrap, key_id) in [(&header(1)[..], "t1.other"), (&header(3), "t1.two"), (&[0xFE], "t1.one")] {
        let bad = Run::default();
        identities.used("d", wrap, key_id, &bad);
        assert!(bad.is_over() && !bad.wrong.lock().unwrap().is_empty(), "{wrap:?} {key_id}");
    }
}
