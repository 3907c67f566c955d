//! The key itself: its versions, what they wrap and open, and what is said of them.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use trousseau_core::{ErrorKind, KeyVersion, Observation, ProviderError, Secret, Unwrapped, VersionInfo, Wrapped};

use super::{Habits, error};

const NONCE: usize = 12;

#[derive(Clone)]
pub(super) struct FakeKey {
    /// By number: when it was made, and the key.
    versions: BTreeMap<u32, (u64, [u8; 32])>,
    pub(super) min_encryption: u32,
    pub(super) min_decryption: u32,
}

impl FakeKey {
    pub(super) fn new(created: u64) -> Self {
        let mut key = Self { versions: BTreeMap::new(), min_encryption: 0, min_decryption: 0 };
        key.rotate(created);
        key
    }

    pub(super) fn rotate(&mut self, created: u64) -> u32 {
        let number = self.newest() + 1;
        let mut key = [0; 32];
        assert!(rand::fill(&mut key).is_ok(), "the operating system gave no random bytes");
        self.versions.insert(number, (created, key));
        number
    }

    pub(super) fn newest(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(number, _)| *number)
    }

    pub(super) fn observe(&self, habits: &Habits) -> Observation {
        let info = |(number, (created, _)): (&u32, &(u64, [u8; 32]))| VersionInfo {
            version: KeyVersion::Number(*number),
            created: habits.tells_times.then_some(*created),
            active_from: habits.newest_only.then_some(0),
            material: None,
        };
        let newest = self.newest().saturating_sub(habits.observes_late.into()).max(1);
        let lowest = if habits.newest_only { newest } else { self.min_decryption };
        Observation {
            versions: self.versions.range(lowest..=newest).map(info).collect(),
            min_encryption: (self.min_encryption > 0).then_some(self.min_encryption),
            active_node: habits.active_node,
            newest_only: habits.newest_only,
            one_way: habits.told_on_unwrap,
            ..Observation::default()
        }
    }

    pub(super) fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
    ) -> Result<Wrapped, ProviderError> {
        let refused = || error(ErrorKind::VersionRefused, "this version does not encrypt");
        let number = version.number().filter(|number| *number >= self.min_encryption).ok_or_else(refused)?;
        let key = self.cipher(number).ok_or_else(refused)?;
        let mut sealed = plaintext.expose().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(aad.unwrap_or_default()), &mut sealed)
            .map_err(|_| error(ErrorKind::Server, "AES-GCM refused to encrypt"))?;
        Ok(Wrapped { version: version.clone(), bytes: [nonce.as_ref().as_slice(), &sealed].concat() })
    }

    pub(super) fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Unwrapped, ProviderError> {
        let number = version.number().filter(|number| *number > 0);
        let number = number.ok_or_else(|| error(ErrorKind::Malformed, "a version is a number from 1"))?;
        if number > self.newest() {
            return Err(error(ErrorKind::TooNew, "there is no such version yet"));
        }
        let key = self.cipher(number).filter(|_| number >= self.min_decryption);
        let key = key.ok_or_else(|| error(ErrorKind::TooOld, "this version decrypts no more"))?;
        let short = || error(ErrorKind::Malformed, "the wrap is cut short");
        let (nonce, sealed) = wrap.split_at_checked(NONCE).ok_or_else(short)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| short())?;
        let mut body = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(aad.unwrap_or_default()), &mut body);
        let length = opened.map_err(|_| error(ErrorKind::Unauthentic, "message authentication failed"))?.len();
        body.truncate(length);
        Ok(Unwrapped { plaintext: Secret::new(body), version: None })
    }

    /// Opens by whichever version made it, and tells which.
    pub(super) fn unwrap_as_any(&self, wrap: &[u8], aad: Option<&[u8]>) -> Result<Unwrapped, ProviderError> {
        let mut last = error(ErrorKind::Gone, "the key has no version");
        for number in self.versions.keys().rev() {
            match self.unwrap(&KeyVersion::Number(*number), wrap, aad) {
                Ok(opened) => return Ok(Unwrapped { version: Some(KeyVersion::Number(*number)), ..opened }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn cipher(&self, number: u32) -> Option<RandomizedNonceKey> {
        let (_, key) = self.versions.get(&number)?;
        RandomizedNonceKey::new(&AES_256_GCM, key).ok()
    }
}
