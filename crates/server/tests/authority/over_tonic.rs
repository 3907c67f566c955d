//! The filter where it belongs: between a Unix socket and stock tonic.

use std::{fs, path::Path, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::UnixListenerStream};
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::UdsConnectInfo},
};
use trousseau_kms_api::v2::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
    key_management_service_client::KeyManagementServiceClient,
    key_management_service_server::{KeyManagementService, KeyManagementServiceServer},
};
use trousseau_server::authority::AuthorityStream;

/// Encrypts to the plaintext, and reports each plaintext with the caller's user.
struct Echo(mpsc::UnboundedSender<(Vec<u8>, u32)>);

#[tonic::async_trait]
impl KeyManagementService for Echo {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(StatusResponse::default()))
    }

    async fn encrypt(&self, request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let user = request.extensions().get::<UdsConnectInfo>().unwrap().peer_cred.unwrap().uid();
        let ciphertext = request.into_inner().plaintext;
        self.0.send((ciphertext.clone(), user)).unwrap();
        Ok(Response::new(EncryptResponse { ciphertext, ..EncryptResponse::default() }))
    }

    async fn decrypt(&self, _: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        Err(Status::unimplemented("not called"))
    }
}

/// Serves on `path`, and hands out what the service reports.
fn serve(path: &Path) -> mpsc::UnboundedReceiver<(Vec<u8>, u32)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let incoming = UnixListenerStream::new(UnixListener::bind(path).unwrap()).map(|io| io.map(AuthorityStream::new));
    let service = KeyManagementServiceServer::new(Echo(sender));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    receiver
}

#[tokio::test]
async fn tonic_serves_the_captured_clients() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms.sock");
    let mut calls = serve(&path);
    let user = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).unwrap());
    for (name, bytes) in super::golden::captures() {
        // The long one is beyond tonic's limit on fields.
        if name.contains("-v1-") || name.ends_with("-long") {
            continue;
        }
        let mut client = UnixStream::connect(&path).await.unwrap();
        for piece in bytes.chunks(100) {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let call = tokio::time::timeout(Duration::from_secs(10), calls.recv()).await;
        assert_eq!(call, Ok(Some((vec![0; 32], user))), "{name}");
    }
}

#[tokio::test]
async fn bodies_of_a_tonic_client_arrive_unharmed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kms.sock");
    let _calls = serve(&path);
    let channel = Endpoint::from_shared(format!("unix://{}", path.display())).unwrap().connect().await.unwrap();
    let calls = (0..20).map(|i| {
        let mut client = KeyManagementServiceClient::new(channel.clone());
        tokio::spawn(async move {
            // Bodies that look like header frames, some beyond the window of a stream.
            let plaintext = b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\x41\x02/x".repeat(1 + i * 1000);
            let answer = client.encrypt(EncryptRequest { plaintext: plaintext.clone(), uid: String::new() }).await;
            assert!(answer.unwrap().into_inner().ciphertext == plaintext);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
