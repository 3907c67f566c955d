//! The other plugin's socket, in both versions of the API.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::timeout_at;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use trousseau_core::{Call, ErrorKind, ProviderError, Secret};
use trousseau_http::quote;
use trousseau_kms_api::v1beta1::key_management_service_client::KeyManagementServiceClient as V1;
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient as V2;
use trousseau_kms_api::{v1beta1, v2};

use crate::config::Api;
use crate::error::{Failed, failed};
use crate::record::Record;

/// The largest answer that is read, in bytes: a thousand times what can be stored.
const MAX_ANSWER: usize = 1_000_000;

pub(crate) struct Client {
    socket: PathBuf,
    api: Api,
    channel: OnceLock<Channel>,
    calls: AtomicU64,
}

/// What was encrypted, and under which key where the API tells.
pub(crate) struct Encrypted {
    pub(crate) key_id: Option<String>,
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Client {
    pub(crate) fn new(socket: PathBuf, api: Api) -> Self {
        Self { socket, api, channel: OnceLock::new(), calls: AtomicU64::new(0) }
    }

    /// Asks how it is: the key_id that writes, where the API tells.
    ///
    /// # Errors
    /// Also for a plugin that says that it isn't well.
    pub(crate) async fn status(&self, call: &Call) -> Result<Option<String>, ProviderError> {
        let refuse =
            |kind, text: String| ProviderError::new(kind, format!("the plugin at {} {text}", self.socket.display()));
        if self.api == Api::V1 {
            let request = v1beta1::VersionRequest { version: "v1beta1".to_owned() };
            let answer = self.ask(call, "Version", false, request, async |request| self.v1()?.version(request).await);
            let version = answer.await.map_err(ProviderError::from)?.version;
            return match version.as_str() {
                "v1beta1" => Ok(None),
                _ => Err(refuse(ErrorKind::Unusable, "speaks no KMS v1beta1; change `api`".to_owned())),
            };
        }
        let answer =
            self.ask(call, "Status", false, v2::StatusRequest {}, async |request| self.v2()?.status(request).await);
        let status = answer.await.map_err(ProviderError::from)?;
        if !matches!(status.version.as_str(), "v2" | "v2beta1") {
            return Err(refuse(ErrorKind::Unusable, "speaks no KMS v2; change `api`".to_owned()));
        }
        if status.healthz != "ok" {
            let said = quote(&status.healthz);
            return Err(refuse(ErrorKind::Server, format!("says that it is not well: {said}; see its log")));
        }
        match status.key_id {
            key_id if key_id.is_empty() || key_id.len() > trousseau_core::MAX_STORED => {
                let text = format!("names a key_id of {} bytes; 1 to 1024 are one", key_id.len());
                Err(refuse(ErrorKind::BadAnswer, text))
            }
            key_id => Ok(Some(key_id)),
        }
    }

    pub(crate) async fn encrypt(&self, plaintext: &Secret, call: &Call) -> Result<Encrypted, ProviderError> {
        // The messages own their bytes; the library wipes none of them.
        let plain = plaintext.expose().to_vec();
        if self.api == Api::V1 {
            let request = v1beta1::EncryptRequest { version: "v1beta1".to_owned(), plain };
            let answer = self.ask(call, "Encrypt", false, request, async |request| self.v1()?.encrypt(request).await);
            let ciphertext = answer.await.map_err(ProviderError::from)?.cipher;
            return Ok(Encrypted { key_id: None, annotations: BTreeMap::new(), ciphertext });
        }
        let request = v2::EncryptRequest { plaintext: plain, uid: self.uid() };
        let answer = self.ask(call, "Encrypt", false, request, async |request| self.v2()?.encrypt(request).await);
        let v2::EncryptResponse { ciphertext, key_id, annotations } = answer.await.map_err(ProviderError::from)?;
        Ok(Encrypted { key_id: Some(key_id), annotations, ciphertext })
    }

    pub(crate) async fn decrypt(&self, key_id: &str, record: &Record, call: &Call) -> Result<Secret, Failed> {
        let cipher = record.ciphertext.clone();
        let plaintext = if self.api == Api::V1 {
            let request = v1beta1::DecryptRequest { version: "v1beta1".to_owned(), cipher };
            self.ask(call, "Decrypt", true, request, async |request| self.v1()?.decrypt(request).await).await?.plain
        } else {
            let annotations = record.annotations.clone();
            let request =
                v2::DecryptRequest { ciphertext: cipher, uid: self.uid(), key_id: key_id.to_owned(), annotations };
            self.ask(call, "Decrypt", true, request, async |request| self.v2()?.decrypt(request).await).await?.plaintext
        };
        Ok(Secret::new(plaintext))
    }

    /// One call, with the caller's deadline on both sides.
    async fn ask<Q, A, F>(
        &self,
        call: &Call,
        method: &str,
        opening: bool,
        message: Q,
        send: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, Failed>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(call.remaining());
        match timeout_at(call.deadline, send(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failed(&self.socket, method, opening, &status)),
            Err(_) => {
                let text = format!("{method} of the plugin at {}: it did not answer in time", self.socket.display());
                Err(ProviderError::new(ErrorKind::Deadline, text).into())
            }
        }
    }

    /// For its log, as kube-apiserver sends one.
    fn uid(&self) -> String {
        format!("trousseau-{}-{}", std::process::id(), self.calls.fetch_add(1, Ordering::Relaxed))
    }

    fn v1(&self) -> Result<V1<Channel>, Status> {
        Ok(V1::new(self.channel()?).max_decoding_message_size(MAX_ANSWER))
    }

    fn v2(&self) -> Result<V2<Channel>, Status> {
        Ok(V2::new(self.channel()?).max_decoding_message_size(MAX_ANSWER))
    }

    /// Connects at the first call and again whenever the connection was lost. Made late, because that needs a runtime.
    fn channel(&self) -> Result<Channel, Status> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket.display()));
        let endpoint = endpoint.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(self.channel.get_or_init(|| endpoint.connect_lazy()).clone())
    }
}
