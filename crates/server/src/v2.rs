//! `v2.KeyManagementService`: translation only.

use tonic::{Request, Response, Status, async_trait};
use trousseau_core::{Api, DecryptRequest as Decryption, Secret};
use trousseau_kms_api::v2::key_management_service_server::KeyManagementService;
use trousseau_kms_api::v2::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};

use crate::call::Shared;

pub(crate) struct V2(pub(crate) Shared);

#[async_trait]
impl KeyManagementService for V2 {
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let work = |call| async move {
            let status = self.0.current.probed(&call).await?.status()?;
            Ok(StatusResponse {
                version: self.0.status_version.as_str().to_owned(),
                healthz: status.healthz,
                key_id: status.key_id.to_string(),
            })
        };
        self.0.answer(Api::V2, "Status", "", self.0.frame(&request), work).await
    }

    async fn encrypt(&self, mut request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let frame = self.0.frame(&request);
        let plaintext = Secret::new(std::mem::take(&mut request.get_mut().plaintext));
        let work = |call| async move {
            let encrypted = self.0.current.probed(&call).await?.encrypt(Api::V2, &plaintext, &call).await?;
            Ok(EncryptResponse {
                ciphertext: encrypted.ciphertext,
                key_id: encrypted.key_id.to_string(),
                annotations: Default::default(),
            })
        };
        self.0.answer(Api::V2, "Encrypt", &request.get_ref().uid, frame, work).await
    }

    async fn decrypt(&self, request: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        let asked = request.get_ref();
        let work = |call| async move {
            let wanted = Decryption { ciphertext: &asked.ciphertext, key_id: Some(&asked.key_id) };
            let plaintext = self.0.current.keyring()?.decrypt(wanted, &call).await?;
            Ok(DecryptResponse { plaintext: plaintext.into_exposed() })
        };
        self.0.answer(Api::V2, "Decrypt", &asked.uid, self.0.frame(&request), work).await
    }
}
