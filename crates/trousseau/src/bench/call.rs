//! One call, and whether its answer was any good.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use trousseau_kms_api::v1beta1::key_management_service_client::KeyManagementServiceClient as V1;
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient as V2;
use trousseau_kms_api::{v1beta1, v2};

use super::Plan;

/// The KMS API's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `v1beta1`
    V1,
    /// `v2`
    V2,
}

/// The call to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Of a new plaintext each time
    Encrypt,
    /// Of ciphertexts made before the run, in turn; each answer is compared
    Decrypt,
    /// In v1: Version
    Status,
}

/// What a failed call was: a gRPC code by its name, or an answer that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// Nobody answered: the socket is gone, or the connection broke.
    pub(super) unanswered: bool,
    /// It never left us, or the server said that it did not touch it: it ends in good order.
    unsent: bool,
}

/// One connection's client; cheap to clone for each call in flight.
#[derive(Clone)]
pub(super) struct Caller {
    api: Api,
    operation: Operation,
    timeout: Duration,
    plaintext: Arc<[u8]>,
    records: Arc<Vec<Record>>,
    retried: Arc<AtomicU64>,
    v1: V1<Channel>,
    v2: V2<Channel>,
}

/// What Decrypt is asked for, and what it must answer.
pub(super) struct Record {
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    key_id: String,
    annotations: BTreeMap<String, Vec<u8>>,
}

/// As long as those of kube-apiserver. One for all calls: it only goes to a log.
const UID: &str = "7f3c1f0e-0000-4000-8000-000000000001";
/// Tries of a call that did not leave us. grpc-go, kube-apiserver's client, makes them as well ("transparent retry",
/// gRPC A6); they count into the call's latency.
const TRIES: u32 = 5;
/// kube-apiserver stores no larger ones (staging/src/k8s.io/apiserver .../kmsv2/envelope.go).
const LARGEST: usize = 1024;

impl Caller {
    pub(super) fn new(plan: &Plan, channel: Channel) -> anyhow::Result<Self> {
        let mut plaintext = vec![0; plan.size];
        aws_lc_rs::rand::fill(&mut plaintext).map_err(|_| anyhow!("no random bytes"))?;
        Ok(Self {
            api: plan.api,
            operation: plan.operation,
            timeout: plan.timeout,
            plaintext: plaintext.into(),
            records: Arc::default(),
            retried: Arc::default(),
            v1: V1::new(channel.clone()),
            v2: V2::new(channel),
        })
    }

    /// Encrypts so many different plaintexts.
    ///
    /// # Errors
    /// The first Encrypt that fails.
    pub(super) async fn records(&mut self, count: usize) -> anyhow::Result<Vec<Record>> {
        let mut records = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let made = self.encrypt(number as u64).await.map_err(|fault| anyhow!("{}: {}", fault.name, fault.text));
            records.push(made.context("Encrypt failed")?);
        }
        Ok(records)
    }

    pub(super) fn decrypt_these(&mut self, records: Arc<Vec<Record>>) {
        self.records = records;
    }

    /// Tries so far that were made again, of all clones.
    pub(super) fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Makes the call with this number.
    pub(super) async fn call(&mut self, number: u64) -> Result<(), Fault> {
        let mut outcome = self.attempt(number).await;
        for _ in 1..TRIES {
            if !matches!(&outcome, Err(Fault { unsent: true, .. })) {
                break;
            }
            self.retried.fetch_add(1, Ordering::Relaxed);
            outcome = self.attempt(number).await;
        }
        outcome
    }

    async fn attempt(&mut self, number: u64) -> Result<(), Fault> {
        match self.operation {
            Operation::Encrypt => self.encrypt(number).await.map(drop),
            Operation::Decrypt => self.decrypt(number).await,
            Operation::Status => self.status().await,
        }
    }

    async fn encrypt(&mut self, number: u64) -> Result<Record, Fault> {
        let plaintext = self.numbered(number);
        let record = match self.api {
            Api::V1 => {
                let message = v1beta1::EncryptRequest { version: "v1beta1".into(), plain: plaintext.clone() };
                let request = self.framed(message);
                let answer = self.v1.encrypt(request).await?.into_inner();
                Record { plaintext, ciphertext: answer.cipher, key_id: String::new(), annotations: BTreeMap::new() }
            }
            Api::V2 => {
                let request = self.framed(v2::EncryptRequest { plaintext: plaintext.clone(), uid: UID.into() });
                let v2::EncryptResponse { ciphertext, key_id, annotations } =
                    self.v2.encrypt(request).await?.into_inner();
                if key_id.is_empty() {
                    return Err(Fault::wrong("NoKeyId", "Encrypt answered without a key_id"));
                }
                Record { plaintext, ciphertext, key_id, annotations }
            }
        };
        match record.ciphertext.len() {
            0 => Err(Fault::wrong("EmptyCiphertext", "Encrypt answered with an empty ciphertext")),
            size if size > LARGEST => {
                Err(Fault::wrong("LargeCiphertext", &format!("Encrypt answered with {size} bytes, 1024 can be stored")))
            }
            _ => Ok(record),
        }
    }

    async fn decrypt(&mut self, number: u64) -> Result<(), Fault> {
        let records = Arc::clone(&self.records);
        let record = &records[number as usize % records.len()];
        let plaintext = match self.api {
            Api::V1 => {
                let message = v1beta1::DecryptRequest { version: "v1beta1".into(), cipher: record.ciphertext.clone() };
                let request = self.framed(message);
                self.v1.decrypt(request).await?.into_inner().plain
            }
            Api::V2 => {
                let request = self.framed(v2::DecryptRequest {
                    ciphertext: record.ciphertext.clone(),
                    uid: UID.into(),
                    key_id: record.key_id.clone(),
                    annotations: record.annotations.clone(),
                });
                self.v2.decrypt(request).await?.into_inner().plaintext
            }
        };
        if plaintext == record.plaintext {
            return Ok(());
        }
        Err(Fault::wrong("WrongPlaintext", "Decrypt answered with something else than was encrypted"))
    }

    async fn status(&mut self) -> Result<(), Fault> {
        match self.api {
            Api::V1 => {
                let request = self.framed(v1beta1::VersionRequest { version: "v1beta1".into() });
                self.v1.version(request).await?;
            }
            Api::V2 => {
                let request = self.framed(v2::StatusRequest {});
                let answer = self.v2.status(request).await?.into_inner();
                if answer.healthz != "ok" {
                    return Err(Fault::wrong("NotHealthy", &format!("Status answered: {}", answer.healthz)));
                }
            }
        }
        Ok(())
    }

    /// Different in each call, so that nothing can be answered from a cache.
    fn numbered(&self, number: u64) -> Vec<u8> {
        let mut plaintext = self.plaintext.to_vec();
        for (byte, digit) in plaintext.iter_mut().zip(number.to_le_bytes()) {
            *byte ^= digit;
        }
        plaintext
    }

    fn framed<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

impl Fault {
    fn wrong(name: &'static str, text: &str) -> Self {
        Self { name, text: text.to_owned(), unanswered: false, unsent: false }
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        // What the client made up itself has a source; an answer has none. tonic calls its own deadline `Cancelled`.
        let unanswered = status.source().is_some();
        let own_deadline = status.code() == Code::Cancelled && status.message() == "Timeout expired";
        let code = if own_deadline { Code::DeadlineExceeded } else { status.code() };
        let mut text = status.message().to_owned();
        let (mut cause, mut unsent) = (status.source(), false);
        while let Some(error) = cause {
            unsent |= error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
            unsent |= error.downcast_ref::<h2::Error>().is_some_and(untouched);
            let more = error.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        Self { name: name(code), text, unanswered, unsent }
    }
}

/// The server's last word on a connection names the calls that it took; this one came after them, or was refused.
fn untouched(error: &h2::Error) -> bool {
    let ended = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    error.is_remote() && (ended || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// A code's name as Kubernetes' own metrics have it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
