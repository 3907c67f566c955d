//! A Secret in the bytes that kube-apiserver hands to its storage: `k8s\0` and a runtime.Unknown around core/v1 Secret
//! (k8s.io/apimachinery runtime/generated.proto, k8s.io/api core/v1/generated.proto; only the fields used).

use std::collections::BTreeMap;

use prost::Message;

/// Where it would lie in etcd.
pub(super) const ETCD_KEY: &str = "/registry/secrets/default/database";
/// What must not be found in the encrypted record.
pub(super) const SECRET_VALUE: &[u8] = b"correct horse battery staple";

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct Secret {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, bytes", tag = "2")]
    data: BTreeMap<String, Vec<u8>>,
    #[prost(string, tag = "3")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

pub(super) fn secret() -> Vec<u8> {
    let metadata = ObjectMeta { name: "database".into(), namespace: "default".into() };
    let data = BTreeMap::from([("password".to_owned(), SECRET_VALUE.to_vec())]);
    let secret = Secret { metadata: Some(metadata), data, kind: "Opaque".into() };
    let type_meta = TypeMeta { api_version: "v1".into(), kind: "Secret".into() };
    let unknown = Unknown { type_meta: Some(type_meta), raw: secret.encode_to_vec() };
    [b"k8s\0".as_slice(), &unknown.encode_to_vec()].concat()
}
