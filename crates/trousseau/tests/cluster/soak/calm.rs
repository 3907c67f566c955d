//! A stretch without trouble, in one process: what calls alone make grow shows here, where no restart hides it.

use std::time::{Duration, Instant};

use trousseau_record::EncryptedObject;

use crate::client::Client;
use crate::plugin::Plugin;

/// Of the whole soak's length.
const SHARE: u32 = 20;
const LONGEST: Duration = Duration::from_secs(30);

/// Allocators keep some room. The short form's few hundred calls show what grows by some kB each, an hour's far less.
const MOST_GROWTH: f64 = 3e6;
/// A connection of the load and one to the KMS may come in between.
const MOST_MORE_DESCRIPTORS: f64 = 8.0;

/// Resident memory and open descriptors.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: f64,
    descriptors: f64,
}

/// Encrypts and decrypts through the socket; nothing may be held afterwards that was not before.
pub(crate) fn assert_calm(plugin: &Plugin, length: Duration) {
    let stretch = (length / SHARE).min(LONGEST);
    let mut client = plugin.client();
    // The process may have just started: connections, threads and caches come with the first calls.
    let mut pairs = call(&mut client, stretch / 2);
    let before = held(plugin);
    pairs += call(&mut client, stretch);
    let after = held(plugin);
    println!("         calm: {pairs} calls of each kind, {before:?} and then {after:?}");
    assert!(pairs >= 20, "{pairs} calls in {stretch:?}");
    assert!(after.memory - before.memory < MOST_GROWTH, "{before:?} grew to {after:?}");
    assert!(after.descriptors - before.descriptors < MOST_MORE_DESCRIPTORS, "{before:?} grew to {after:?}");
}

/// Pairs of an Encrypt and its Decrypt for so long; how many.
fn call(client: &mut Client, stretch: Duration) -> usize {
    let (began, mut pairs) = (Instant::now(), 0);
    while began.elapsed() < stretch {
        let made = client.encrypt(&[5; 32]).expect("nothing is down");
        let record = EncryptedObject {
            key_id: made.key_id,
            encrypted_dek_source: made.ciphertext,
            annotations: made.annotations.into_iter().collect(),
            ..EncryptedObject::default()
        };
        assert_eq!(client.decrypt(&record).expect("nothing is down"), [5; 32]);
        pairs += 1;
    }
    pairs
}

fn held(plugin: &Plugin) -> Held {
    let held = Held {
        memory: plugin.metric("trousseau_process_resident_memory_bytes"),
        descriptors: plugin.metric("trousseau_process_open_fds"),
    };
    assert!(held.memory > 0.0 && held.descriptors > 0.0, "{held:?}");
    held
}
