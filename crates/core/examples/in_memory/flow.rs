use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use trousseau_core::envelope::Clusters;
use trousseau_core::events::Silent;
use trousseau_core::guard::{Guard, Limits};
use trousseau_core::probe::{ProbeTimes, Prober};
use trousseau_core::promotion::PromotionRule;
use trousseau_core::{AadPolicy, Api, Call, DecryptRequest, Key, KeyConfig, Keyring, Secret, SystemClock, Writer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = Arc::new(Silent);
    // Deadline, bounds, retries and breaker, once for every provider.
    let provider = kms::InMemory::new().map_err(|_| "no random bytes")?;
    let guard = Guard::new("primary", Arc::new(provider), Limits::default(), events.clone());
    // Header, additional data, and a check of each wrap.
    let config = KeyConfig {
        name: "primary".to_owned(),
        clusters: Arc::new(Clusters::new(vec!["prod-eu-1".to_owned()])?),
        aad: AadPolicy::Required { accept_without: false },
    };
    let key = Arc::new(Key::new(config, Arc::new(guard)));
    // What Status says, and what keeps it true.
    let writer = Arc::new(Writer::new(Duration::from_secs(120)));
    let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
    let mut prober = Prober::new(key.clone(), writer.clone(), rule, times, Arc::new(SystemClock), events.clone());
    let keyring = Keyring::new(vec![key], writer, events).ok_or("no keys")?;

    assert!(keyring.status().is_err(), "nothing was proven yet");
    prober.round().await?;
    let status = keyring.status()?;
    println!("Status: {} {}", status.healthz, status.key_id.as_str());

    let (call, seed) = (Call::within(Duration::from_secs(3)), Secret::new(vec![7; 32]));
    let encrypted = keyring.encrypt(Api::V2, &seed, &call).await?;
    println!("Encrypt: {} bytes under {}", encrypted.ciphertext.len(), encrypted.key_id.as_str());
    let request = DecryptRequest { ciphertext: &encrypted.ciphertext, key_id: Some(encrypted.key_id.as_str()) };
    let opened = keyring.decrypt(request, &call).await?;
    println!("Decrypt: {}", if opened.same_as(&seed) { "the same" } else { "something else" });
    Ok(())
}
