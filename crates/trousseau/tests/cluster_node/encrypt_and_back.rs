//! The README's steps 3 to 5 and its way back, with the plugin in a pod.

use crate::document::block;
use crate::picture::{Step, picture};
use crate::stage::Stage;

const IDENTITY: &str = "      - identity: {}";

fn readme(name: &str) -> String {
    block("README.md", name)
}

/// Identity second, all rewritten, proof from etcd that none is left in clear, identity dropped.
pub(crate) fn encrypt_what_is_there(stage: &mut Stage) {
    for number in 0..3 {
        stage.create_secret(&format!("before-{number}")).unwrap();
    }
    stage.encrypt(&readme("encryption"));
    let in_clear = stage.fail(&readme("prove"));
    assert!(in_clear.ends_with("\n3 checked, 3 left\n"), "the proof finds what is still in clear: {in_clear}");
    let rewritten = stage.shell(&readme("rewrite"));
    let left = stage.shell(&readme("prove"));
    assert_eq!(left, "3 checked, 0 left\n");
    let look = "etcdctl get /registry/secrets/default/before-0 --print-value-only | head -c 200 | cat -v";
    picture(
        "rewrite",
        &[
            Step { command: readme("rewrite"), printed: rewritten },
            Step { command: readme("prove"), printed: left },
            Step { command: look.into(), printed: stage.shell(look) },
        ],
    );
    stage.encrypt(&readme("encryption").replace(IDENTITY, ""));
    assert_eq!(stage.read_secret("before-1").unwrap(), "aHVudGVyMg==");
}

/// Identity first, all rewritten, proof that none is left encrypted, the plugin dropped.
pub(crate) fn go_back(stage: &mut Stage) {
    let encryption = readme("encryption");
    let kms = encryption.lines().find(|line| line.contains("- kms:")).unwrap();
    let identity_first = encryption.replace(&format!("{kms}\n{IDENTITY}"), &format!("{IDENTITY}\n{kms}"));
    assert_ne!(identity_first, encryption);
    stage.encrypt(&identity_first);
    stage.shell(&readme("rewrite"));
    let secrets = stage.etcd.range("/registry/secrets/").unwrap();
    assert!(secrets.len() >= 3);
    for (path, value) in secrets {
        assert!(!value.starts_with(b"k8s:enc:"), "{path} is still encrypted");
    }
    stage.encrypt(&encryption.replace(&format!("{kms}\n"), ""));
    assert_eq!(stage.read_secret("before-1").unwrap(), "aHVudGVyMg==");
}
