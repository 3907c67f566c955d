use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_local::{Config, keygen};
use trousseau_testkit::contract::{Capability, Subject, check_all};

use crate::keygen::{ADD, NEW, folder};

struct File {
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        let (folder, path) = folder();
        keygen(&path, &NEW).unwrap();
        Self { path, folder }
    }
}

#[async_trait]
impl Subject for File {
    fn capabilities(&self) -> &[Capability] {
        use Capability::{Aad, Another, Delete, Lists, MinDecryption, Numbers, Replace, Rotate, Wipes};
        &[Aad, Another, Numbers, Rotate, Lists, Replace, Delete, MinDecryption, Wipes]
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Config { file: Some(self.path.clone()), credential: None }.build(None).unwrap())
    }

    async fn another(&self) -> Arc<dyn Provider> {
        let path = self.folder.path().join("another.key");
        keygen(&path, &NEW).unwrap();
        Arc::new(Config { file: Some(path), credential: None }.build(None).unwrap())
    }

    async fn rotate(&self) {
        keygen(&self.path, &ADD).unwrap();
    }

    async fn replace(&self) {
        fs::remove_file(&self.path).unwrap();
        keygen(&self.path, &NEW).unwrap();
    }

    async fn delete(&self) {
        fs::remove_file(&self.path).unwrap();
    }

    /// Takes the versions below out of the file.
    async fn min_decryption(&self, version: u32) {
        let text = fs::read_to_string(&self.path).unwrap();
        let (head, first) =
            (text.find("- version: 1\n").unwrap(), text.find(&format!("- version: {version}\n")).unwrap());
        fs::write(&self.path, text[..head].to_owned() + &text[first..]).unwrap();
    }
}

#[tokio::test]
async fn a_key_file_keeps_to_the_contract() {
    check_all(|| async { Arc::new(File::new()) as Arc<dyn Subject> }).await;
}
