//! A plugin that fails now and then, or answers oddly: scripted, because no real one does so on demand.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, async_trait};
use trousseau_core::section::{Host, Section as _};
use trousseau_core::{Call, ErrorKind, KeyVersion, Provider, Secret};
use trousseau_kms_api::v1beta1::key_management_service_server::{KeyManagementService, KeyManagementServiceServer};
use trousseau_kms_api::v1beta1::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, VersionRequest, VersionResponse,
};
use trousseau_plugin::{Api, Config};

/// What the next calls end in; beyond them it turns bytes round, which it can undo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    Fails(Code),
    /// Success, with nothing in it: the Go Trousseau with a static token, while Vault is away.
    Empty,
    Hangs,
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Steps>>);

#[derive(Default)]
struct Steps {
    decrypts: VecDeque<Odd>,
    always: Option<Odd>,
}

impl Script {
    async fn answer(&self, opening: bool, mut bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        let step = {
            let mut steps = self.0.lock().unwrap();
            steps.always.or_else(|| opening.then(|| steps.decrypts.pop_front()).flatten())
        };
        match step {
            Some(Odd::Fails(code)) => {
                Err(Status::new(code, "rpc failed with hvs.CAESIJ8mPq0vK3rT9wXy2bN7dF4gH6sL1aZ5"))
            }
            Some(Odd::Empty) => Ok(Vec::new()),
            Some(Odd::Hangs) => std::future::pending().await,
            Some(Odd::Nothing) | None => {
                bytes.reverse();
                Ok(bytes)
            }
        }
    }
}

#[async_trait]
impl KeyManagementService for Script {
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        let version = "v1beta1".to_owned();
        Ok(Response::new(VersionResponse { version, runtime_name: String::new(), runtime_version: String::new() }))
    }

    async fn encrypt(&self, request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        let cipher = self.answer(false, request.into_inner().plain).await?;
        Ok(Response::new(EncryptResponse { cipher }))
    }

    async fn decrypt(&self, request: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        let plain = self.answer(true, request.into_inner().cipher).await?;
        Ok(Response::new(DecryptResponse { plain }))
    }
}

struct Stage {
    script: Script,
    provider: Arc<dyn Provider>,
    wrap: Vec<u8>,
    _dir: TempDir,
}

const ONE: KeyVersion = KeyVersion::Number(1);

impl Stage {
    async fn start() -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let socket: PathBuf = dir.path().join("kms.sock");
        let listener = UnixListenerStream::new(UnixListener::bind(&socket).unwrap());
        let script = Script::default();
        let server = Server::builder().add_service(KeyManagementServiceServer::new(script.clone()));
        tokio::spawn(server.serve_with_incoming(listener));
        let config = Config { socket, api: Api::V1, name: String::new(), epoch: None };
        let provider = config.build(&Host::default()).unwrap();
        let wrap = provider.wrap(&ONE, &Secret::new(vec![7; 32]), None, &call(3000)).await.unwrap().bytes;
        Self { script, provider, wrap, _dir: dir }
    }

    fn next(&self, decrypts: &[Odd]) {
        self.script.0.lock().unwrap().decrypts = decrypts.iter().copied().collect();
    }

    fn always(&self, odd: Option<Odd>) {
        self.script.0.lock().unwrap().always = odd;
    }

    async fn opens(&self, call: Call) -> Result<(), (ErrorKind, String)> {
        let opened = self.provider.unwrap(&ONE, &self.wrap, None, &call).await;
        opened.map(drop).map_err(|error| (error.kind(), error.chain()))
    }

    async fn kind(&self, call: Call) -> Option<ErrorKind> {
        self.opens(call).await.err().map(|(kind, _)| kind)
    }
}

fn call(millis: u64) -> Call {
    Call::within(Duration::from_millis(millis))
}

fn probe() -> Call {
    Call::probe(Duration::from_secs(3))
}

/// One refused Decrypt beside calls that work was taken for a record of another key, and stopped all writes.
#[tokio::test]
async fn one_failure_is_a_hiccup_and_two_around_a_round_trip_are_the_records() {
    let stage = Stage::start().await;
    let failed = Odd::Fails(Code::Unknown);
    for call in [call(3000), probe()] {
        stage.next(&[failed]);
        assert_eq!(stage.opens(call).await, Ok(()));
    }
    stage.next(&[failed, Odd::Nothing, failed]);
    assert_eq!(stage.kind(probe()).await, Some(ErrorKind::Unauthentic));
    // What was found out for another record a moment ago is not enough for a probe.
    stage.next(&[failed, failed, failed]);
    assert_eq!(stage.kind(probe()).await, Some(ErrorKind::Server));
}

/// An outage behind the Go Trousseau was taken for a replaced key.
#[tokio::test]
async fn success_with_nothing_in_it_is_an_outage() {
    let stage = Stage::start().await;
    stage.always(Some(Odd::Empty));
    assert_eq!(stage.kind(probe()).await, Some(ErrorKind::Server));
    assert_eq!(stage.kind(call(3000)).await, Some(ErrorKind::Server));
    stage.always(None);
    assert_eq!(stage.opens(probe()).await, Ok(()));
}

#[tokio::test]
async fn a_plugin_that_hangs_is_out_of_time_and_not_unreachable() {
    let stage = Stage::start().await;
    stage.always(Some(Odd::Hangs));
    for _ in 0..5 {
        assert_eq!(stage.kind(call(200)).await, Some(ErrorKind::Deadline));
    }
}

#[tokio::test]
async fn i9_what_looks_like_a_token_in_its_text_is_not_repeated() {
    let stage = Stage::start().await;
    stage.always(Some(Odd::Fails(Code::Internal)));
    let (_, text) = stage.opens(call(3000)).await.unwrap_err();
    assert!(text.contains("rpc failed with ***") && !text.contains("CAESIJ8"), "{text}");
}
