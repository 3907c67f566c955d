//! A double of Azure Key Vault, Managed HSM, Microsoft Entra ID and the machine's identity endpoint.
//!
//! It is no Azure: its answers are written after Microsoft's documentation and published error texts, because no real
//! service can be had offline. The cryptography is real (RSA-OAEP-256, ES256, ES384, AES-256-GCM), and so are the
//! checks: audience, end and signature of tokens, secrets, assertions, versions of the API, states of keys.
#![expect(clippy::expect_used, reason = "a test whose double can't go on has nothing to go on with")]

mod entra;
mod keys;
mod machine;
mod rsa;
mod tokens;
mod vault;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use self::entra::TENANT;
pub use self::keys::{Kind as KeyKind, State as KeyState};
pub use self::machine::IdentityRequest;
pub use self::rsa::{Certified, certified};
use crate::ca::{Leaf, TestCa};
use crate::https::{Front, Reply, Request, ScriptedServer};

/// The cloud in which a double lives. Clones share it.
#[derive(Clone)]
pub struct Azure(Arc<Mutex<World>>);

/// All that the double knows.
pub(crate) struct World {
    pub(crate) keys: keys::Keys,
    pub(crate) tokens: tokens::Issuer,
    pub(crate) entra: entra::Directory,
    pub(crate) machine: machine::Machine,
    /// What tokens must be for.
    pub(crate) resource: String,
    /// What the challenge says, where it lies.
    pub(crate) challenged: Option<String>,
    /// Versions on one page.
    pub(crate) page: usize,
    /// Operations without permission.
    pub(crate) forbidden: Vec<&'static str>,
    /// So many further requests are throttled.
    pub(crate) throttled: usize,
    /// The double's clock minus the machine's, in seconds.
    pub(crate) offset: i64,
}

impl Azure {
    /// An empty vault.
    #[must_use]
    pub fn vault() -> Self {
        Self::with("https://vault.azure.net")
    }

    /// An empty Managed HSM.
    #[must_use]
    pub fn hsm() -> Self {
        Self::with("https://managedhsm.azure.net")
    }

    fn with(resource: &str) -> Self {
        Self(Arc::new(Mutex::new(World {
            keys: keys::Keys::default(),
            tokens: tokens::Issuer::new(),
            entra: entra::Directory::default(),
            machine: machine::Machine::default(),
            resource: resource.to_owned(),
            challenged: None,
            page: 25,
            forbidden: Vec::new(),
            throttled: 0,
            offset: 0,
        })))
    }

    /// Serves vault and login over TLS.
    #[must_use]
    pub fn start(&self, ca: &TestCa) -> ScriptedServer {
        let leaf: Leaf = ca.server(&["127.0.0.1"]);
        let azure = self.clone();
        ScriptedServer::start(Front::tls(&leaf), move |request| azure.answer(request))
    }

    /// Serves the machine's identity endpoint, by plain http as real ones do.
    #[must_use]
    pub fn start_machine(&self) -> ScriptedServer {
        let azure = self.clone();
        ScriptedServer::start(Front::Plain, move |request| azure.world().machine_answer(request))
    }

    /// What vault and login answer, for scripts that answer some requests themselves.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        let mut world = self.world();
        let now = world.now();
        let reply = if request.path.contains("/oauth2/v2.0/token") {
            world.login_answer(request)
        } else {
            world.vault_answer(request)
        };
        reply.header("Date", &http_date(now))
    }

    /// Makes a key with one version; the version's name.
    pub fn create(&self, name: &str, kind: KeyKind) -> String {
        let mut world = self.world();
        let now = world.now();
        world.keys.create(name, kind, now)
    }

    /// The same, unless the key is there already.
    pub fn create_once(&self, name: &str, kind: KeyKind) {
        let mut world = self.world();
        let now = world.now();
        if world.keys.find(name).is_none() {
            world.keys.create(name, kind, now);
        }
    }

    /// Makes the next version; its name.
    pub fn rotate(&self, name: &str) -> String {
        let mut world = self.world();
        let now = world.now();
        world.keys.rotate(name, now)
    }

    /// Changes the state of a version, or of the newest.
    pub fn set(&self, name: &str, version: Option<&str>, change: impl FnOnce(&mut KeyState)) {
        self.world().keys.set(name, version, change);
    }

    /// Deletes a key; it can be recovered.
    pub fn delete(&self, name: &str) {
        self.world().keys.delete(name);
    }

    /// Recovers a deleted key.
    pub fn recover(&self, name: &str) {
        self.world().keys.recover(name);
    }

    /// Deletes a key for good and makes another one under its name.
    pub fn replace(&self, name: &str) {
        let mut world = self.world();
        let now = world.now();
        world.keys.replace(name, now);
    }

    /// Refuses an operation (`decrypt`, `sign`, `get`, ...) for lack of a permission.
    pub fn forbid(&self, operation: &'static str) {
        self.world().forbidden.push(operation);
    }

    /// Permits everything again.
    pub fn permit(&self) {
        self.world().forbidden.clear();
    }

    /// Throttles the next requests to the vault.
    pub fn throttle(&self, requests: usize) {
        self.world().throttled = requests;
    }

    /// How many versions a page lists.
    pub fn page(&self, versions: usize) {
        self.world().page = versions;
    }

    /// What tokens must be for.
    pub fn resource(&self, resource: &str) {
        self.world().resource = resource.to_owned();
    }

    /// Names another resource in challenges than the one that is checked.
    pub fn challenge_for(&self, resource: &str) {
        self.world().challenged = Some(resource.to_owned());
    }

    /// Turns the double's clock, which tokens and versions go by.
    pub fn advance(&self, seconds: i64) {
        self.world().offset += seconds;
    }

    /// Refuses all tokens made so far.
    pub fn revoke(&self) {
        self.world().tokens.revoke();
    }

    /// How long tokens live, in seconds.
    pub fn token_life(&self, seconds: u64) {
        self.world().tokens.life = seconds;
    }

    /// An application with a secret.
    pub fn application(&self, client: &str, secret: &str) {
        self.world().entra.secrets.push((client.to_owned(), secret.to_owned()));
    }

    /// An application with a certificate, and its public key in PKCS#1.
    pub fn certificate(&self, client: &str, certified: &Certified) {
        self.world().entra.certificates.push((client.to_owned(), certified.clone()));
    }

    /// The only federated token that is good from now on.
    pub fn federate(&self, client: &str, token: &str) {
        self.world().entra.federated = vec![(client.to_owned(), token.to_owned())];
    }

    /// A user-assigned identity of the machine, as `client_id`, `msi_res_id` (`mi_res_id` on App Service) or `object_id`.
    pub fn assign(&self, parameter: &str, value: &str) {
        self.world().machine.assigned.push((parameter.to_owned(), value.to_owned()));
    }

    /// Expects what App Service or Azure Arc expect.
    pub fn machine(&self, expects: IdentityRequest) {
        self.world().machine.expects = expects;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub(crate) fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        now.saturating_add_signed(self.offset)
    }
}

/// A date as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(unix: u64) -> String {
    let (days, second) = (unix / 86400, unix % 86400);
    // Days since 0000-03-01, in eras of 400 years (Howard Hinnant's civil_from_days).
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month = names[(month - 1) as usize];
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(super::http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(super::http_date(1_709_164_800), "Thu, 29 Feb 2024 00:00:00 GMT");
    }
}
