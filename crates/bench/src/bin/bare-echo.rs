//! The least that a KMS plugin can do: stock tonic on a Unix socket, which answers each call with what it was sent.
//!
//! `bare-echo SOCKET`; it runs until it is killed. The runtime is the one that `trousseau serve` has.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, async_trait};
use trousseau_kms_api::v2::key_management_service_server::{KeyManagementService, KeyManagementServiceServer};
use trousseau_kms_api::v2::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};

struct Echo;

/// As long as one of Trousseau's.
const KEY_ID: &str = "t1.AAAAAAAAAAAAAAAAAAAAAA";

#[async_trait]
impl KeyManagementService for Echo {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(StatusResponse { version: "v2".into(), healthz: "ok".into(), key_id: KEY_ID.into() }))
    }

    async fn encrypt(&self, request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let ciphertext = request.into_inner().plaintext;
        Ok(Response::new(EncryptResponse { ciphertext, key_id: KEY_ID.into(), annotations: Default::default() }))
    }

    async fn decrypt(&self, request: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        Ok(Response::new(DecryptResponse { plaintext: request.into_inner().ciphertext }))
    }
}

fn main() -> anyhow::Result<()> {
    let socket = PathBuf::from(std::env::args_os().nth(1).context("give the socket's path")?);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("the runtime")?;
    runtime.block_on(async {
        let listener = bind(&socket).with_context(|| format!("bind {}", socket.display()))?;
        let server = Server::builder().add_service(KeyManagementServiceServer::new(Echo));
        // A task, as the program has it: the main thread keeps timers and signals.
        let serving = tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        serving.await.context("the server panicked")?.context("serve")
    })
}

fn bind(socket: &PathBuf) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}
