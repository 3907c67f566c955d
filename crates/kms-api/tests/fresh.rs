//! The generated code in `src` is what the protos in `proto` say, byte for byte.
//!
//! Regenerate with `TROUSSEAU_REGENERATE=1 cargo test -p trousseau-kms-api --test fresh`.

use std::{env, fs, path::Path};

/// Messages with key material in them: no derived `Debug`, lib.rs writes one that shows sizes.
const SECRET: [&str; 4] =
    [".v1beta1.EncryptRequest", ".v1beta1.DecryptResponse", ".v2.EncryptRequest", ".v2.DecryptResponse"];

#[test]
fn generated_code_matches_the_protos() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    for package in ["v1beta1", "v2"] {
        // protox parses the proto, so no protoc is needed.
        let descriptors = protox::compile([format!("{package}/api.proto")], [root.join("proto")]).unwrap();
        tonic_prost_build::configure()
            .build_transport(false)
            .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
            .btree_map(".")
            .skip_debug(SECRET)
            .emit_rerun_if_changed(false)
            .out_dir(out.path())
            .compile_fds(descriptors)
            .unwrap();
        let fresh = fs::read_to_string(out.path().join(format!("{package}.rs"))).unwrap();
        let kept = root.join("src").join(format!("{package}.rs"));
        if env::var_os("TROUSSEAU_REGENERATE").is_some() {
            fs::write(&kept, fresh).unwrap();
        } else if fs::read_to_string(&kept).unwrap_or_default() != fresh {
            panic!(
                "{} is not what proto/{package}/api.proto generates; run\n  \
                 TROUSSEAU_REGENERATE=1 cargo test -p trousseau-kms-api --test fresh",
                kept.display()
            );
        }
    }
}
