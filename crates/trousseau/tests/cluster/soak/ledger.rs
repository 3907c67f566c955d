//! What was written and acknowledged, and whether a read agrees with it.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Stands in every value, so that it can be searched for where it must not be.
pub(crate) const CANARY: &str = "canary-of-the-soak";

/// Generations of one Secret: 1 is its creation, each update is one more. 0: none.
#[derive(Clone, Copy, Debug, Default)]
struct Generations {
    tried: u64,
    acknowledged: u64,
}

/// Every Secret by name. A name has one writer, so its generations are in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<String, Generations>>);

/// What was acknowledged before a read began: by name, the generation.
pub(crate) struct Floor(BTreeMap<String, u64>);

/// The value of a generation: some 40 to 1900 bytes.
pub(crate) fn value(name: &str, generation: u64) -> String {
    let padding = (generation * 131 + name.bytes().map(u64::from).sum::<u64>() * 17) % 1850;
    format!("{CANARY}:{name}:{generation}:{}", "x".repeat(padding as usize))
}

impl Ledger {
    /// To be called before a write is sent; the generation that it writes.
    pub(crate) fn attempt(&self, name: &str) -> u64 {
        let mut all = self.0.lock().unwrap();
        let generations = all.entry(name.to_owned()).or_default();
        generations.tried += 1;
        generations.tried
    }

    /// The last attempt was answered with success.
    pub(crate) fn acknowledge(&self, name: &str) {
        let mut all = self.0.lock().unwrap();
        let generations = all.get_mut(name).expect("what is acknowledged was tried");
        generations.acknowledged = generations.tried;
    }

    /// To be taken before a read is sent.
    pub(crate) fn floor(&self) -> Floor {
        let all = self.0.lock().unwrap();
        let acknowledged = all.iter().filter(|(_, generations)| generations.acknowledged > 0);
        Floor(acknowledged.map(|(name, generations)| (name.clone(), generations.acknowledged)).collect())
    }

    /// Whether `found` may be what a read of `name` told that began when `floor` was taken. `None`: there is no such
    /// Secret.
    pub(crate) fn check(&self, floor: &Floor, name: &str, found: Option<&str>) -> Result<(), String> {
        let least = floor.0.get(name).copied().unwrap_or(0);
        let Some(found) = found else {
            return if least == 0 {
                Ok(())
            } else {
                Err(format!("{name} is lost: generation {least} was acknowledged"))
            };
        };
        let most = self.0.lock().unwrap().get(name).map_or(0, |generations| generations.tried);
        let told = found.split(':').nth(2).and_then(|text| text.parse().ok()).unwrap_or(0);
        if found != value(name, told) {
            return Err(format!("{name} has a value that nobody wrote: {found:?}"));
        }
        if (least..=most).contains(&told) && told > 0 {
            return Ok(());
        }
        Err(format!("{name} is of generation {told}; {least} was acknowledged, {most} tried"))
    }

    /// The same for a list of all.
    pub(crate) fn check_all(&self, floor: &Floor, found: &BTreeMap<String, String>) -> Result<(), String> {
        let mut names = floor.0.keys().chain(found.keys());
        names.try_for_each(|name| self.check(floor, name, found.get(name).map(String::as_str)))
    }
}

impl Floor {
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[test]
fn soaks_ledger_notices_each_kind_of_loss() {
    let ledger = Ledger::default();
    let before = ledger.floor();
    assert_eq!(ledger.attempt("a"), 1);
    assert!(ledger.check(&before, "a", None).is_ok(), "nothing was acknowledged");
    assert!(ledger.check(&before, "a", Some(&value("a", 1))).is_ok(), "tried, and it may have arrived");
    ledger.acknowledge("a");
    let first = ledger.floor();
    assert!(ledger.check(&first, "a", None).unwrap_err().contains("lost"));
    assert_eq!(ledger.attempt("a"), 2);
    assert!(ledger.check(&first, "a", Some(&value("a", 1))).is_ok());
    assert!(ledger.check(&first, "a", Some(&value("a", 2))).is_ok());
    ledger.acknowledge("a");
    assert!(ledger.check(&first, "a", Some(&value("a", 1))).is_ok(), "that read began before the update");
    let second = ledger.floor();
    assert!(ledger.check(&second, "a", Some(&value("a", 1))).unwrap_err().contains("generation 1"), "an old value");
    assert!(ledger.check(&second, "a", Some(&value("a", 3))).unwrap_err().contains("generation 3"), "never tried");
    assert!(ledger.check(&second, "a", Some(&value("b", 2))).unwrap_err().contains("nobody wrote"), "a swap");
    assert!(ledger.check(&second, "a", Some("")).unwrap_err().contains("nobody wrote"));
    let mut list = BTreeMap::from([("a".to_owned(), value("a", 2))]);
    assert!(ledger.check_all(&second, &list).is_ok());
    list.clear();
    assert!(ledger.check_all(&second, &list).is_err(), "not in the list");
    list.extend([("a".to_owned(), value("a", 2)), ("stranger".to_owned(), value("stranger", 1))]);
    assert!(ledger.check_all(&second, &list).is_err(), "nobody tried to write it");
}
