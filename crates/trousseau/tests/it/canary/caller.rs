//! A caller of the socket who writes secrets into every field that has room for one.

use std::fs;

use tonic::metadata::{MetadataKey, MetadataValue};
use trousseau_kms_api::{v1beta1, v2};

use super::search::{Canary, Outputs, Search};
use super::stage::{FORMATS, Stage, material, timed};
use crate::process::{free_port, local};

#[test]
fn i9_what_a_caller_writes_is_not_repeated() {
    for format in FORMATS {
        let admin = free_port();
        let (dir, text) = local(&format!("admin: 127.0.0.1:{admin}\nlog: {{level: trace, format: {format}}}\n"));
        fs::write(dir.path().join("config.yaml"), text).unwrap();
        let material = material(dir.path());
        let stage =
            Stage::start(dir.path(), admin, &["--config", dir.path().join("config.yaml").to_str().unwrap()], &[]);
        stage.wait_ready();
        let mut outputs = Outputs::default();
        let (seed, field) = (Canary::bytes("a seed"), Canary::text("in a field", "hunter-"));
        let wrapped = stage.caller.encrypt(&seed.bytes, &mut outputs).unwrap();
        let opened = stage.caller.decrypt(&wrapped, &mut outputs);
        assert!(opened.into_iter().all(|opened| opened.as_ref() == Some(&seed.bytes)), "both APIs work");
        stage.caller.status(&mut outputs);
        hostile(&stage, &wrapped.v2, &seed, &field, &mut outputs);
        stage.pages(&mut outputs, "after the calls");
        stage.finish(&mut outputs, &["local.key"]);
        assert!(outputs.contain("a call failed") && outputs.contain("SIGUSR1"), "the log was read");
        assert!(outputs.contain("not one of Trousseau's") && outputs.contain("not spoken here"));
        outputs.assert_clean(&Search::new(&[seed, field, material]));
    }
}

/// Each field in turn, and plaintexts where ciphertexts belong.
fn hostile(stage: &Stage, good: &v2::EncryptResponse, seed: &Canary, field: &Canary, outputs: &mut Outputs) {
    let word = field.as_str();
    let decrypt = |change: &dyn Fn(&mut v2::DecryptRequest)| {
        let v2::EncryptResponse { ciphertext, key_id, annotations } = good.clone();
        let mut request = v2::DecryptRequest { ciphertext, uid: String::new(), key_id, annotations };
        change(&mut request);
        request
    };
    let mut requests = vec![
        decrypt(&|request| request.key_id = word.into()),
        decrypt(&|request| request.key_id = format!("t1.{word}")),
        decrypt(&|request| request.ciphertext = seed.bytes.clone()),
        decrypt(&|request| request.ciphertext.extend_from_slice(&seed.bytes)),
        decrypt(&|request| request.ciphertext.truncate(20)),
        decrypt(&|request| request.ciphertext.clear()),
        decrypt(&|request| request.ciphertext[3] ^= 0xFF),
        decrypt(&|request| request.ciphertext[5..9].copy_from_slice(&seed.bytes[..4])),
        decrypt(&|request| request.ciphertext[9] ^= 1),
        decrypt(&|request| *request.ciphertext.last_mut().unwrap() ^= 1),
        decrypt(&|request| request.ciphertext = seed.bytes.repeat(3000)),
        decrypt(&|request| {
            request.annotations.insert(format!("{word}.example.com"), seed.bytes.clone());
            request.ciphertext.clear();
        }),
    ];
    for request in &mut requests {
        request.uid = word.into();
    }
    for request in requests {
        stage.caller.call("v2 Decrypt", outputs, |_, mut v2| async move {
            let mut request = timed(request);
            let value = MetadataValue::try_from(word).unwrap();
            request.metadata_mut().insert("authorization", value.clone());
            request.metadata_mut().insert("x-request-id", value.clone());
            request
                .metadata_mut()
                .insert(MetadataKey::from_bytes(word.to_ascii_lowercase().as_bytes()).unwrap(), value);
            v2.decrypt(request).await
        });
    }
    let large = v2::EncryptRequest { plaintext: seed.bytes.repeat(3000), uid: word.into() };
    stage.caller.call("v2 Encrypt", outputs, |_, mut v2| async move { v2.encrypt(timed(large)).await });
    let (encrypt, bytes) = (word.to_owned(), seed.bytes.clone());
    stage.caller.call("v1 Encrypt", outputs, |mut v1, _| async move {
        v1.encrypt(timed(v1beta1::EncryptRequest { version: encrypt, plain: bytes })).await
    });
    for cipher in [seed.bytes.clone(), Vec::new(), good.ciphertext[..30].to_vec()] {
        stage.caller.call("v1 Decrypt", outputs, |mut v1, _| async move {
            v1.decrypt(timed(v1beta1::DecryptRequest { version: "v1beta1".into(), cipher })).await
        });
    }
    stage.caller.call("v1 Decrypt", outputs, |mut v1, _| async move {
        v1.decrypt(timed(v1beta1::DecryptRequest { version: word.into(), cipher: Vec::new() })).await
    });
}
