//! Writers and readers at every API server, and somebody who listens to what every node announces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use trousseau_cluster::wait;

use super::announced::{Announced, hash, in_order_of, in_use};
use super::control_plane::{ControlPlane, NODES, Node};
use crate::soak::identity::Identities;
use crate::soak::ledger::Ledger;
use crate::soak::load::Load;
use crate::soak::{End, Run};
use crate::upgrade::failed_calls;

/// The longest wait for anything: a busy machine, and an API server that asks for Status every 20 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// Steady, and not more: other tests run beside.
const PAUSES: [Duration; 2] = [Duration::from_millis(1500), Duration::from_millis(500)];

/// What goes on at the nodes, in their order.
pub(crate) struct Traffic<'a> {
    pub(crate) loads: Vec<Load<'a>>,
    pub(crate) announced: Vec<Announced>,
    /// Whether calls of a node might ever fail.
    excused: [AtomicBool; NODES],
    run: &'a Run,
}

/// Does `body` under load, and looks then at what must always hold.
pub(crate) fn under_load(plane: &mut ControlPlane, body: impl FnOnce(&mut ControlPlane, &Traffic<'_>)) {
    let (run, ledger) = (Run::default(), Ledger::default());
    let loads = plane.nodes.iter().map(|node| {
        let mut load = Load::new(&node.api, &node.plugin.dir, &format!("{}-", node.letter), &ledger, &run);
        load.pauses = PAUSES;
        load.kubectl.must_succeed(true);
        load
    });
    let (loads, announced) = (loads.collect(), plane.nodes.iter().map(|_| Announced::default()).collect());
    let traffic = Traffic { loads, announced, excused: Default::default(), run: &run };
    std::thread::scope(|scope| {
        let _end = End(&run);
        let run = &run;
        for ((load, announced), node) in traffic.loads.iter().zip(&traffic.announced).zip(&plane.nodes) {
            scope.spawn(|| load.write(Rng::new()));
            scope.spawn(|| load.read(Rng::new()));
            scope.spawn(|| load.ask_readyz());
            let (client, letter) = (node.plugin.client(), node.letter);
            scope.spawn(move || announced.watch(client, letter, run));
        }
        traffic.wait_for_more(plane);
        body(plane, &traffic);
        traffic.wait_for_more(plane);
    });
    traffic.look_at_all(plane);
}

impl Traffic<'_> {
    /// Waits until it is so; ends at once when something is wrong.
    pub(crate) fn until(&self, plane: &ControlPlane, what: &str, mut so: impl FnMut(&ControlPlane) -> bool) {
        let waited = wait::until(PATIENCE, what, || {
            self.run.assert_nothing_wrong(|| plane.logs());
            Ok(so(plane).then_some(()))
        });
        waited.unwrap_or_else(|error| panic!("{error}\n{}", plane.logs()));
    }

    /// Waits until each API server has written and read several times more.
    pub(crate) fn wait_for_more(&self, plane: &ControlPlane) {
        let counts = || self.loads.iter().map(|load| (load.writes(), load.reads())).collect::<Vec<_>>();
        let before = counts();
        self.until(plane, "writes and reads at every API server", |_| {
            counts().iter().zip(&before).all(|(now, before)| now.0 >= before.0 + 4 && now.1 >= before.1 + 4)
        });
    }

    /// Waits until these nodes announce that id.
    pub(crate) fn wait_announced(&self, plane: &ControlPlane, nodes: &[usize], id: &str) {
        self.until(plane, &format!("{id} announced by the nodes {nodes:?}"), |plane| {
            let so = nodes.iter().all(|node| self.announced[*node].ids().last().is_some_and(|last| last == id));
            self.assert_in_order(plane);
            so
        });
    }

    /// Waits until the API servers of these nodes have heard of that id last, and written under it last, by their own
    /// metrics.
    pub(crate) fn wait_written(&self, plane: &ControlPlane, nodes: &[usize], id: &str) {
        let hash = hash(id);
        self.until(plane, &format!("{id} in the metrics of the API servers {nodes:?}"), |plane| {
            // The page is long.
            wait::pause(Duration::from_secs(1));
            nodes.iter().all(|node| in_use(&plane.nodes[*node].api).iter().all(|found| found.as_ref() == Some(&hash)))
        });
    }

    /// Calls by way of this node may fail, or may not any more.
    pub(crate) fn excuse(&self, node: usize, excused: bool) {
        self.loads[node].kubectl.must_succeed(!excused);
        self.announced[node].may_be_silent.store(excused, Ordering::Relaxed);
        self.excused[node].fetch_or(excused, Ordering::Relaxed);
    }

    /// Once the threads have ended.
    fn look_at_all(&self, plane: &ControlPlane) {
        let acknowledged: Vec<usize> = self.loads.iter().map(Load::assert_all_readable).collect();
        assert!(acknowledged[0] >= 10, "{acknowledged:?}");
        Identities::default().scan(&plane.etcd, self.run);
        self.run.assert_nothing_wrong(|| plane.logs());
        self.assert_in_order(plane);
        for ((load, excused), node) in self.loads.iter().zip(&self.excused).zip(&plane.nodes) {
            println!("node {}: {load}", node.letter);
            if !excused.load(Ordering::Relaxed) {
                assert_no_call_failed(node);
            }
        }
    }

    /// What each node announced so far are ids of the key, in the order of its versions.
    fn assert_in_order(&self, plane: &ControlPlane) {
        // A version that is made meanwhile is listed and not announced, never the reverse.
        let announced: Vec<_> = self.announced.iter().map(Announced::ids).collect();
        let key_ids = plane.key_ids();
        for (ids, node) in announced.iter().zip(&plane.nodes) {
            in_order_of(ids, &key_ids)
                .unwrap_or_else(|wrong| panic!("node {}: {wrong}\n{}", node.letter, plane.logs()));
        }
    }
}

/// By the plugin's metrics and by the API server's: a read out of its cache, or a retry, hides what failed.
fn assert_no_call_failed(node: &Node) {
    let (_, page) = node.plugin.page("/metrics");
    let of = |operation: &str| {
        let label = format!("operation=\"{operation}\"");
        let lines = page.lines().filter(|line| line.starts_with("trousseau_rpcs_total{") && line.contains(&label));
        lines.filter(|line| !line.ends_with(" 0")).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let calls = [of("Encrypt"), of("Decrypt")].concat();
    let good = calls.iter().filter(|line| line.contains("code=\"OK\"")).count();
    assert!(good > 0 && good == calls.len(), "node {}: {calls:#?}\n{}", node.letter, node.plugin.log());
    assert_eq!(failed_calls(&node.api), [""; 0], "node {}:\n{}", node.letter, node.plugin.log());
}
