use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::Instant;

use super::{Guarded, millis, seconds};
use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::{Fault, Habits};
use crate::guard::Limits;
use crate::provider::{Call, Provider as _};

#[tokio::test(start_paused = true)]
async fn i8_a_kms_that_does_not_answer_ends_at_the_deadline() {
    let node = Guarded::new(Limits::default());
    node.kms.script(Operation::Wrap, [Fault::Hang]);
    let began = Instant::now();
    let call = seconds(2);
    let error = node.wrap(&call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!((millis(2_000)..millis(2_005)).contains(&began.elapsed()));
    assert_eq!(node.events.count("BoundHit(Deadline)"), 1);
    assert!(call.waited() >= millis(2_000), "the wait is the KMS's");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_kms_is_measured_over_all_tries() {
    let node = Guarded::new(Limits::default());
    node.kms.script(Operation::Wrap, [Fault::Delay(millis(100)), Fault::Delay(millis(50))]);
    let call = seconds(3);
    node.wrap(&call).await.unwrap();
    node.wrap(&call).await.unwrap();
    assert!((millis(150)..millis(155)).contains(&call.waited()), "{:?}", call.waited());
    assert_eq!(node.events.count("KmsCall"), 2);
}

/// A guard with one place and two that may wait; the place is taken by a call that hangs.
async fn busy() -> (Guarded, JoinHandle<()>) {
    let node = Guarded::new(Limits { in_flight: 1, queue: 2, ..Limits::default() });
    node.kms.script(Operation::Wrap, [Fault::Hang]);
    let hanging = waiter(&node, 10);
    yield_now().await;
    assert_eq!(node.calls(), 1);
    (node, hanging)
}

fn waiter(node: &Guarded, time: u64) -> JoinHandle<()> {
    let guard = Arc::clone(&node.guard);
    tokio::spawn(async move {
        let _ = guard.wrap(&1.into(), &vec![7; 32].into(), None, &seconds(time)).await;
    })
}

#[tokio::test(start_paused = true)]
async fn i8_the_queue_is_bounded_and_refuses_at_once() {
    let (node, _hanging) = busy().await;
    let _waiting = [waiter(&node, 5), waiter(&node, 5)];
    yield_now().await;
    let began = Instant::now();
    assert_eq!(node.kind().await, Some(ErrorKind::QueueFull));
    assert_eq!(began.elapsed(), millis(0));
    assert_eq!((node.calls(), node.events.count("BoundHit(Queue)")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn i8_a_wait_in_the_queue_ends_at_the_deadline() {
    let (node, _hanging) = busy().await;
    let began = Instant::now();
    assert_eq!(node.kind().await, Some(ErrorKind::Deadline));
    assert!((millis(3_000)..millis(3_005)).contains(&began.elapsed()));
    assert_eq!(node.calls(), 1, "the KMS never saw it");
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up_leave_their_place() {
    let (node, hanging) = busy().await;
    let waiting = [waiter(&node, 5), waiter(&node, 5)];
    yield_now().await;
    for call in waiting {
        call.abort();
        let _ = call.await;
    }
    let next = waiter(&node, 5);
    yield_now().await;
    hanging.abort();
    next.await.unwrap();
    assert_eq!(node.kind().await, None);
}

#[tokio::test(start_paused = true)]
async fn probes_do_not_wait_for_a_place() {
    let (node, _hanging) = busy().await;
    node.wrap(&Call::probe(millis(100))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wraps_that_hang_leave_places_to_what_reads() {
    let node = Guarded::new(Limits { in_flight: 4, queue: 8, ..Limits::default() });
    let made = node.guard.wrap(&1.into(), &vec![7; 32].into(), None, &seconds(3)).await.unwrap();
    node.kms.script(Operation::Wrap, vec![Fault::Hang; 8]);
    let _hanging: Vec<_> = (0..8).map(|_| waiter(&node, 10)).collect();
    yield_now().await;
    assert_eq!(node.calls(), 1 + 3, "three of four places are a wrap's");
    let began = Instant::now();
    node.guard.unwrap(&1.into(), &made.bytes, None, &seconds(3)).await.unwrap();
    assert_eq!(began.elapsed(), millis(0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_wraps_refuses_nothing_that_reads() {
    let node = Guarded::new(Limits { in_flight: 4, queue: 8, ..Limits::default() });
    let made = node.guard.wrap(&1.into(), &vec![7; 32].into(), None, &seconds(3)).await.unwrap();
    node.kms.script(Operation::Wrap, vec![Fault::Hang; 11]);
    node.kms.script(Operation::Unwrap, [Fault::Hang]);
    let _hanging: Vec<_> = (0..11).map(|_| waiter(&node, 10)).collect();
    yield_now().await;
    let read = async |time| node.guard.unwrap(&1.into(), &made.bytes, None, &seconds(time)).await;
    let (first, second) = tokio::join!(read(2), async {
        yield_now().await;
        read(3).await
    });
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Deadline, "it hangs in the last place");
    assert!(second.is_ok(), "it waits for that place: {second:?}");
    assert_eq!(node.kind().await, Some(ErrorKind::QueueFull), "the next wrap is one too many");
}

#[tokio::test(start_paused = true)]
async fn i7_the_guard_describes_without_a_call() {
    let node = Guarded::new(Limits::default());
    assert_eq!(node.guard.describe().kind, crate::fake::FAKE);
    assert_eq!(node.calls(), 0);
}

/// A folder that hangs takes half of a round, and the KMS is asked all the same.
#[tokio::test(start_paused = true)]
async fn i8_a_look_at_files_that_hangs_leaves_time_for_the_kms_and_is_told() {
    let guarded = Guarded::new(Limits::default());
    guarded.kms.set(Habits { upkeep_hangs: true, ..Habits::default() });
    let (call, began) = (Call::probe(Duration::from_secs(10)), Instant::now());
    guarded.guard.upkeep(&call).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(guarded.events.count("BoundHit"), 1);
    assert!(guarded.guard.presence(&call).await.is_ok());
}
