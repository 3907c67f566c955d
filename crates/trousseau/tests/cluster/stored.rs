//! Proof 1: what is created comes back, and etcd holds nothing of it.

use trousseau_record::{SourceType, Stored, open};

use crate::rig::{PROVIDER, Rig, secret_path};

#[test]
fn test_kms_v2_provider_a_secret_and_a_config_map_lie_in_etcd_encrypted_and_come_back() {
    let rig = Rig::start();
    let value = "correct-horse-battery-staple";
    rig.create_secret("database", value).unwrap();
    rig.api.kubectl_text(&["create", "configmap", "settings", &format!("--from-literal=colour={value}")]).unwrap();

    assert_eq!(rig.read_secret("database").unwrap(), value);
    let listed = rig.api.kubectl_text(&["get", "secrets,configmaps", "-o", "json"]).unwrap();
    assert!(listed.contains("database") && listed.contains(value), "{listed}");

    for path in [secret_path("database"), "/registry/configmaps/default/settings".to_owned()] {
        let stored = rig.etcd.get(&path).unwrap().expect("it is in etcd");
        assert!(stored.starts_with(format!("k8s:enc:kms:v2:{PROVIDER}:").as_bytes()), "{path}");
        assert!(!stored.windows(8).any(|window| value.as_bytes().windows(8).any(|part| part == window)), "{path}");
        let Stored::KmsV2 { object, .. } = Stored::parse(&stored) else { panic!("{path} is no KMS v2 record") };
        assert_eq!(object.key_id, rig.key_id(), "{path}");
        assert!(object.annotations.is_empty());
        assert_eq!(object.encrypted_dek_source_type, SourceType::HkdfSha256XnonceAesGcmSeed as i32);
        // FE 54 01, KMS with AAD, Vault, version 1.
        assert!(object.encrypted_dek_source.starts_with(&[0xFE, 0x54, 1, 1, 2, 0, 0, 0, 1]), "{path}");

        let seed = rig.plugin.client().decrypt(&object).unwrap();
        let plain = open(SourceType::HkdfSha256XnonceAesGcmSeed, &seed, &path, &object.encrypted_data).unwrap();
        assert!(plain.starts_with(b"k8s\0"), "{path}");
        assert!(plain.windows(value.len()).any(|window| window == value.as_bytes()), "{path}");
        let moved =
            open(SourceType::HkdfSha256XnonceAesGcmSeed, &seed, "/registry/secrets/default/x", &object.encrypted_data);
        assert!(moved.is_err(), "a record opens only at its own place");
    }
}
