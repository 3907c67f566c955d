//! `v1beta1.KeyManagementService`: translation only. Its answers carry no key_id; the ciphertext describes itself.

use tonic::{Request, Response, Status, async_trait};
use trousseau_core::{Api, DecryptRequest as Decryption, ErrorKind, ProviderError, Secret};
use trousseau_kms_api::v1beta1::key_management_service_server::KeyManagementService;
use trousseau_kms_api::v1beta1::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, VersionRequest, VersionResponse,
};

use crate::call::Shared;

const VERSION: &str = "v1beta1";

pub(crate) struct V1(pub(crate) Shared);

#[async_trait]
impl KeyManagementService for V1 {
    async fn version(&self, request: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        let work = |_| async {
            Ok(VersionResponse {
                version: VERSION.to_owned(),
                runtime_name: "trousseau".to_owned(),
                runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            })
        };
        self.0.answer(Api::V1, "Version", "", self.0.frame(&request), work).await
    }

    async fn encrypt(&self, mut request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let frame = self.0.frame(&request);
        let sent = check(&request.get_ref().version);
        let plaintext = Secret::new(std::mem::take(&mut request.get_mut().plain));
        let work = |call| async move {
            sent?;
            let encrypted = self.0.current.probed(&call).await?.encrypt(Api::V1, &plaintext, &call).await?;
            Ok(EncryptResponse { cipher: encrypted.ciphertext })
        };
        self.0.answer(Api::V1, "Encrypt", "", frame, work).await
    }

    async fn decrypt(&self, request: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        let asked = request.get_ref();
        let work = |call| async move {
            check(&asked.version)?;
            let wanted = Decryption { ciphertext: &asked.cipher, key_id: None };
            let plaintext = self.0.current.keyring()?.decrypt(wanted, &call).await?;
            Ok(DecryptResponse { plain: plaintext.into_exposed() })
        };
        self.0.answer(Api::V1, "Decrypt", "", self.0.frame(&request), work).await
    }
}

fn check(version: &str) -> Result<(), ProviderError> {
    if version == VERSION {
        return Ok(());
    }
    // Not repeated: it may be anything, and of any length.
    let text = format!("the request is in an API version that is not spoken here; speak {VERSION}");
    Err(ProviderError::new(ErrorKind::Malformed, text))
}
