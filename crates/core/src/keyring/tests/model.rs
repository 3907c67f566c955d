//! Every schedule of a few events, up to a length: what Kubernetes can't stand must not happen in any of them.

use crate::error::ErrorKind;
use crate::keyring::Encrypted;
use crate::rig::Rig;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Rotate,
    Probe,
    Outage,
    Encrypt,
}

const STEPS: [Step; 4] = [Step::Rotate, Step::Probe, Step::Outage, Step::Encrypt];
const LENGTH: u32 = 7;

/// The `at`-th schedule.
fn schedule(at: usize) -> Vec<Step> {
    (0..LENGTH).map(|place| STEPS[at / STEPS.len().pow(place) % STEPS.len()]).collect()
}

/// What the API server has seen of one node.
#[derive(Default)]
struct Seen {
    announced: Vec<String>,
    /// Ids under which an Encrypt was answered, in the order of their first use.
    used: Vec<String>,
    written: Vec<Encrypted>,
}

impl Seen {
    fn status(&mut self, rig: &Rig, outage: bool) {
        let id = rig.key_id();
        if self.announced.last() != Some(&id) {
            let used = self.used.last().is_none_or(|last| *last != id) && self.used.contains(&id);
            assert!(!used, "an id that was used and left is announced again");
            self.announced.push(id);
        }
        assert!(!outage || self.written.is_empty() || self.used.contains(&rig.key_id()) || self.fresh(rig));
    }

    /// Announced by a good probe, and no probe has failed since.
    fn fresh(&self, rig: &Rig) -> bool {
        rig.ring.health().failure.is_none()
    }

    async fn encrypt(&mut self, rig: &Rig, outage: bool) {
        match rig.encrypt().await {
            Ok(written) => {
                assert!(!outage);
                assert_eq!(written.key_id.as_str(), rig.key_id(), "the API server would drop it");
                let id = written.key_id.to_string();
                if !self.used.contains(&id) {
                    self.used.push(id.clone());
                }
                assert_eq!(self.used.last(), Some(&id), "back to an id that was left");
                self.written.push(written);
            }
            Err(kind) => assert!(outage, "{kind:?} without an outage"),
        }
    }
}

async fn play(steps: &[Step]) {
    let mut rig = Rig::ready().await;
    let (mut seen, mut outage) = (Seen::default(), false);
    seen.status(&rig, outage);
    for step in steps {
        match step {
            Step::Rotate => {
                rig.rotate_due();
            }
            Step::Probe => assert_eq!(rig.round().await.is_err(), outage),
            Step::Outage => {
                outage = !outage;
                rig.kms.outage(outage.then_some(ErrorKind::Sealed));
            }
            Step::Encrypt => seen.encrypt(&rig, outage).await,
        }
        seen.status(&rig, outage);
    }
    rig.kms.outage(None);
    rig.round().await.unwrap();
    seen.status(&rig, false);
    seen.encrypt(&rig, false).await;
    let newest = rig.key.observe(&crate::rig::call()).await.unwrap().versions.len();
    assert_eq!(rig.version(), u32::try_from(newest).ok(), "when all is well, the newest version writes");
    for written in &seen.written {
        assert_eq!(rig.reads(written).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn i2_i3_no_schedule_flips_key_id_back_or_loses_a_record() {
    for at in 0..STEPS.len().pow(LENGTH) {
        let steps = schedule(at);
        let played = tokio::spawn(async move { play(&steps).await });
        assert!(played.await.is_ok(), "schedule {:?}", schedule(at));
    }
}
