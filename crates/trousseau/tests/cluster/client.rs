//! kube-apiserver's side of the socket, for looking at answers directly.

use std::path::Path;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_kms_api::v2::{DecryptRequest, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse};
use trousseau_record::EncryptedObject;

/// A connection to a plugin's socket; each call ends within 3 s, as the API server's do.
pub(crate) struct Client {
    runtime: Runtime,
    inner: KeyManagementServiceClient<Channel>,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let channel = runtime.block_on(async { endpoint.timeout(Duration::from_secs(3)).connect_lazy() });
        Self { runtime, inner: KeyManagementServiceClient::new(channel) }
    }

    pub(crate) fn status(&mut self) -> Result<StatusResponse, Status> {
        self.runtime.block_on(self.inner.status(StatusRequest {})).map(tonic::Response::into_inner)
    }

    pub(crate) fn encrypt(&mut self, plaintext: &[u8]) -> Result<EncryptResponse, Status> {
        let request = EncryptRequest { plaintext: plaintext.to_vec(), uid: "a-test".into() };
        self.runtime.block_on(self.inner.encrypt(request)).map(tonic::Response::into_inner)
    }

    pub(crate) fn decrypt(&mut self, record: &EncryptedObject) -> Result<Vec<u8>, Status> {
        let request = DecryptRequest {
            ciphertext: record.encrypted_dek_source.clone(),
            uid: "a-test".into(),
            key_id: record.key_id.clone(),
            annotations: record.annotations.clone(),
        };
        self.runtime.block_on(self.inner.decrypt(request)).map(|answer| answer.into_inner().plaintext)
    }
}
