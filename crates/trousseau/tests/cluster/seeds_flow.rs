//! Proof 7: the flow of the documents that define Trousseau, with a real Vault Agent: KV holds the parameters, the agent
//! renders /etc/secrets/config.yaml from them, Trousseau takes the file as it is, the security team puts a new token in.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, SEEDS_TEMPLATE, Vault, VaultAgent, free_port, wait};

use crate::plugin::Plugin;
use crate::rig::encryption;

const KEY: &str = "trousseau-kms-vault";

#[test]
fn the_agent_renders_trousseau_carries_on_with_a_new_token() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let vault = Vault::start(dir.path().join("vault")).unwrap();
    vault.enable_transit("transit").unwrap();
    vault.enable_kv("secret").unwrap();
    vault.create_key("transit", KEY, "aes256-gcm96").unwrap();
    let policy = format!(
        "path \"transit/encrypt/{KEY}\" {{ capabilities = [\"update\"] }}\npath \"transit/decrypt/{KEY}\" {{ capabilities = [\"update\"] }}"
    );
    vault.policy("trousseau-transit-ro", &policy).unwrap();
    vault.policy("agent", "path \"secret/data/trousseau/config\" { capabilities = [\"read\"] }").unwrap();
    let role = vault.approle("trousseau-agent", &["agent"]).unwrap();

    // The plugin first: its file comes late, its socket answers at once (I6).
    let file = dir.path().join("etc-secrets/config.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let admin = free_port().unwrap();
    let listen = format!("unix://{}/kms.sock", dir.path().display());
    let admin_flag = format!("127.0.0.1:{admin}");
    let args = ["--config-file-path", file.to_str().unwrap(), "--listen-addr", &listen, "--admin", &admin_flag];
    let mut plugin = Plugin::start_with(dir.path(), admin, &args);
    plugin.wait_page("/livez", 200, Duration::from_secs(10));
    assert_eq!(plugin.page("/readyz").0, 503);
    assert!(plugin.client().status().is_err(), "answer c while there is no file");

    let put = |token: &str| {
        let values = json!({
            "transitkeyname": KEY, "ttl": "30s", "vaultaddress": vault.address(), "vaulttoken": token
        });
        vault.kv_put("secret", "trousseau/config", &values).unwrap();
    };
    let first = vault.token(&["trousseau-transit-ro"], "768h", true).unwrap();
    put(&first);
    let mut agent =
        VaultAgent::start(&vault.address(), &role, SEEDS_TEMPLATE, &file, dir.path().join("agent")).unwrap();
    let rendered = agent.wait_rendered(Duration::from_secs(30), |text| text.contains(&first)).unwrap();
    assert!(rendered.starts_with("\n--- \n"), "as the template says: {rendered:?}");
    plugin.wait_ready();

    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(encryption(&plugin.socket())),
        dir: dir.path().join("api"),
        ..ApiServerConfig::default()
    };
    let api = ApiServer::start(&config).unwrap();
    api.kubectl_text(&["create", "secret", "generic", "first", "--from-literal=password=kept"]).unwrap();
    let key_id = plugin.client().status().unwrap().key_id;

    // The security team makes a new token; the old one goes. No restart.
    let second = vault.token(&["trousseau-transit-ro"], "768h", true).unwrap();
    put(&second);
    agent.wait_rendered(Duration::from_secs(30), |text| text.contains(&second)).unwrap();
    wait::until(Duration::from_secs(30), "the reload", || {
        Ok((plugin.metric("trousseau_config_reloads_total{outcome=\"applied\"}") >= 2.0).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}; log:\n{}", plugin.log()));
    vault.revoke(&first).unwrap();
    assert!(plugin.client().encrypt(&[7; 32]).is_ok(), "carries on with the new token");
    api.kubectl_text(&["create", "secret", "generic", "second", "--from-literal=password=kept"]).unwrap();
    assert_eq!(plugin.client().status().unwrap().key_id, key_id, "a token is no part of the identity");

    // The other order: the old token goes first, then the new one comes; it wins at once.
    let third = vault.token(&["trousseau-transit-ro"], "768h", true).unwrap();
    vault.revoke(&second).unwrap();
    put(&third);
    wait::until(Duration::from_secs(60), "an Encrypt with the third token", || {
        Ok(plugin.client().encrypt(&[7; 32]).is_ok().then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}; log:\n{}", plugin.log()));

    // And with the restart that the documents describe.
    plugin.stop();
    plugin.start_again();
    plugin.wait_ready();
    assert_eq!(plugin.client().status().unwrap().key_id, key_id);
    api.kubectl_text(&["create", "secret", "generic", "third", "--from-literal=password=kept"]).unwrap();
    for token in [&first, &second, &third] {
        assert!(!plugin.log().contains(token.as_str()), "i9: no token in the log");
    }
    let renewals = vault.api("POST", "auth/token/lookup", &json!({"token": third}), vault.root_token()).unwrap().1;
    assert!(renewals["data"]["last_renewal"].is_null(), "a pasted token is not renewed: {renewals}");
}
