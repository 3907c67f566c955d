//! A probe outlives a panic in one of its rounds: a process whose probe died would look alive for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::{ErrorKind, ProviderError};

/// Runs one round to its end, and makes an error of a panic. What the panic said is not repeated, as it may quote what
/// was worked on (I9); the panic hook tells its place.
pub(super) async fn survive<T, E: From<ProviderError>>(
    key: &str,
    round: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut round = pin!(round);
    std::future::poll_fn(|context| {
        // A round begins with nothing from the one before, and the locks it may hold open again after a panic.
        catch_unwind(AssertUnwindSafe(|| round.as_mut().poll(context))).unwrap_or_else(|_| {
            let text = format!("key `{key}`: the probe panicked; the line before says where, please report it");
            Poll::Ready(Err(ProviderError::new(ErrorKind::Server, text).into()))
        })
    })
    .await
}
