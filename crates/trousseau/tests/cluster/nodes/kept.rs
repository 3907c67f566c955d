//! Secrets that the load leaves alone: what was written under which id stays so until a test rewrites it.

use trousseau_record::{EncryptedObject, Stored};

use super::control_plane::{ControlPlane, Node};
use crate::rig::{PROVIDER, secret_path};

/// Writes a Secret by way of one API server; its record, which must be under this id.
pub(crate) fn keep(plane: &ControlPlane, node: usize, name: &str, key_id: &str) -> EncryptedObject {
    let value = format!("--from-literal=name={name}");
    plane.nodes[node].api.kubectl_text(&["create", "secret", "generic", name, &value]).unwrap();
    let Stored::KmsV2 { provider, object } = Stored::parse(&raw(plane, name)) else { panic!("{name} is no record") };
    assert_eq!((provider.as_str(), object.key_id.as_str()), (PROVIDER, key_id), "{name}");
    object
}

/// The Secret as JSON, by way of one API server.
pub(crate) fn read(node: &Node, name: &str) -> String {
    let text = node.api.kubectl_text(&["get", "secret", name, "-o", "json"]);
    text.unwrap_or_else(|error| panic!("{name} by way of {}: {error}\n{}", node.letter, node.plugin.log()))
}

/// It reads the same everywhere.
pub(crate) fn assert_readable_everywhere(plane: &ControlPlane, name: &str) {
    let first = read(&plane.nodes[0], name);
    for node in &plane.nodes[1..] {
        assert_eq!(read(node, name), first, "{name} by way of {}", node.letter);
    }
}

/// Once one API server has rewritten it as it is, as a storage migration does, none finds it stale: none writes it
/// again.
pub(crate) fn assert_fresh_everywhere(plane: &ControlPlane, name: &str) {
    let mut before = None;
    for node in &plane.nodes {
        let output = node.api.kubectl_stdin(&["replace", "-f", "-"], &read(node, name)).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let now = raw(plane, name);
        assert!(before.is_none() || before.as_ref() == Some(&now), "{name} was stale for {}", node.letter);
        before = Some(now);
    }
}

fn raw(plane: &ControlPlane, name: &str) -> Vec<u8> {
    plane.etcd.get(&secret_path(name)).unwrap().expect("it is in etcd")
}
