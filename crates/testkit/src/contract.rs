//! What every [`Provider`] has to keep to, as cases that run against a real key.
//!
//! A provider's crate implements [`Subject`] for its fixture and runs them all:
//!
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use trousseau_core::Provider;
//! # use trousseau_testkit::contract::{Capability, Subject, check_all};
//! # use trousseau_testkit::fake::FakeProvider;
//! struct Fixture(Arc<FakeProvider>);
//!
//! #[async_trait]
//! impl Subject for Fixture {
//!     fn capabilities(&self) -> &[Capability] {
//!         &[Capability::Aad, Capability::Numbers, Capability::Rotate]
//!     }
//!     async fn provider(&self) -> Arc<dyn Provider> {
//!         self.0.clone()
//!     }
//!     async fn rotate(&self) {
//!         self.0.rotate(2_000);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! check_all(|| async { Arc::new(Fixture(Arc::new(FakeProvider::new(1_000)))) as Arc<dyn Subject> }).await;
//! # }
//! ```

#![expect(clippy::panic, clippy::expect_used, reason = "a case fails by panicking, as tests do")]

mod another;
mod bench;
mod binding;
mod concurrency;
mod errors;
mod identity;
mod memory;
mod replaced;
mod round_trip;
mod secrecy;
mod tampering;
mod versions;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::Provider;

/// What a fixture can do beyond wrapping and opening. Cases that need more than it has are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// The key takes additional authenticated data.
    Aad,
    /// Versions are numbers, and `wrap` uses the one that is named.
    Numbers,
    /// [`Subject::rotate`].
    Rotate,
    /// `observe` lists every version that still opens, and not the newest one alone.
    Lists,
    /// [`Subject::another`].
    Another,
    /// [`Subject::replace`].
    Replace,
    /// [`Subject::delete`].
    Delete,
    /// [`Subject::min_encryption`].
    MinEncryption,
    /// [`Subject::min_decryption`].
    MinDecryption,
    /// Plaintexts are wiped wherever the provider had them. Not of a provider whose library keeps copies of its own (an
    /// SDK, generated messages), nor of a fixture whose KMS is in the same process and keeps what it was sent.
    Wipes,
}

/// One key in one KMS, made for one case: it has one version when the case begins.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// What the fixture can do.
    fn capabilities(&self) -> &[Capability];

    /// The most that the key wraps at once, in bytes: an RSA key takes little more than a seed.
    fn largest(&self) -> usize {
        usize::MAX
    }

    /// A provider on the key as it is now, new at each call: what another node, or the next process, has.
    async fn provider(&self) -> Arc<dyn Provider>;

    /// A provider on another key in the same KMS, new at each call.
    async fn another(&self) -> Arc<dyn Provider> {
        panic!("the fixture says that there is another key");
    }

    /// Makes the next version.
    async fn rotate(&self) {
        panic!("the fixture says that it can rotate");
    }

    /// Puts another key with version 1 in the place of this one. If creation times are all that tells them apart,
    /// they must differ.
    async fn replace(&self) {
        panic!("the fixture says that it can replace the key");
    }

    /// Deletes the key.
    async fn delete(&self) {
        panic!("the fixture says that it can delete the key");
    }

    /// Refuses to wrap under versions below this one.
    async fn min_encryption(&self, version: u32) {
        panic!("the fixture says that it can refuse to wrap below version {version}");
    }

    /// Refuses to open versions below this one.
    async fn min_decryption(&self, version: u32) {
        panic!("the fixture says that it can refuse to open below version {version}");
    }
}

/// A case as it is called.
type Run = fn(Arc<dyn Subject>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One thing that a provider has to keep to.
#[derive(Clone, Copy)]
pub struct Case {
    /// `module::name`, by which it is reported.
    pub name: &'static str,
    /// What the fixture must be able to do.
    pub needs: &'static [Capability],
    run: Run,
}

impl Case {
    /// Runs it. Panics if the provider doesn't keep to it.
    pub async fn run(&self, subject: Arc<dyn Subject>) {
        (self.run)(subject).await;
    }
}

/// `cases![module { name [Needs], ... } ...]`
macro_rules! cases {
    ($($module:ident { $($name:ident [$($need:ident)*],)+ })+) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($name)),
            needs: &[$(Capability::$need),*],
            run: |subject| Box::pin($module::$name(subject)),
        }),+),+]
    };
}

/// All cases, in an order from the simple to the odd.
pub fn cases() -> Vec<Case> {
    cases![
        round_trip {
            a_seed [], one_byte [], ping [], sixteen_bytes [], sixty_four_bytes [], two_hundred_and_fifty_six_bytes [],
            every_length_to_48 [], bytes_that_are_no_text [], nothing_is_kept_or_refused [],
            four_kilobytes_are_kept_or_refused [], twice_from_one_wrap [], by_a_peer [], by_a_probe [],
            on_the_active_node [], without_aad [], with_empty_aad [Aad], with_long_aad [Aad],
            with_aad_of_every_byte [Aad], equal_plaintexts_have_distinct_wraps [], a_wrap_fits_beside_its_header [],
            a_wrap_hides_its_plaintext [], the_version_used_is_the_one_named [Numbers],
            nobody_is_named_who_did_not_open [],
        }
        binding {
            other_aad_is_refused [Aad], missing_aad_is_refused [Aad], aad_out_of_nowhere_is_refused [Aad],
            empty_aad_for_some_is_refused [Aad], shorter_aad_is_refused [Aad], longer_aad_is_refused [Aad],
            the_first_byte_of_aad_counts [Aad], the_last_byte_of_aad_counts [Aad], the_order_of_aad_counts [Aad],
        }
        tampering {
            first_byte [], last_byte [], middle_byte [], all_over [], every_byte [], cut_by_one [], cut_in_half [],
            one_byte_left [], nothing_left [], a_byte_more [], a_byte_before [], twice_in_a_row [], random_bytes [],
            two_wraps_spliced [], good_wraps_open_afterwards [],
        }
        errors {
            a_bad_wrap_says_nothing_of_the_kms [], a_bad_version_says_nothing_of_the_kms [], texts_are_one_line [],
        }
        versions {
            one_to_begin_with [], the_list_is_stable [], each_is_listed_once [], the_newest_listed_encrypts [],
            wrap_under_an_unknown_one_is_refused [Numbers], unwrap_under_an_unknown_one_is_too_new [Numbers],
            the_highest_number_is_too_new [Numbers], zero_is_refused [Numbers], a_name_for_a_number_is_refused [Numbers],
            rotation_keeps_the_old_one_readable [Rotate], rotation_lists_in_order [Rotate Lists],
            rotation_is_seen_by_a_running_provider [Rotate], the_old_one_still_encrypts_when_named [Rotate Numbers],
            one_does_not_open_as_another [Rotate Numbers],
            ten_rotations_are_no_obstacle_to_a_new_node [Rotate], ten_rotations_are_listed [Rotate Lists],
            below_min_encryption_nothing_is_wrapped [Rotate Numbers MinEncryption],
            below_min_encryption_everything_opens [Rotate Numbers MinEncryption],
            below_min_decryption_is_too_old [Rotate Numbers MinDecryption],
        }
        identity {
            describe_is_stable [], describe_outlives_rotation [Rotate], the_kind_is_well_formed [],
            presence_shows_the_key [], key_id_is_equal_on_peers [], rotation_changes_the_key_id [Rotate],
            key_id_outlives_rotation [Rotate Lists], every_version_has_its_own_key_id [Rotate Lists],
        }
        another {
            it_has_another_key_id [Another], it_opens_nothing_of_ours [Another], we_open_nothing_of_it [Another],
        }
        replaced {
            a_deleted_key_is_gone [Delete], a_deleted_key_is_gone_for_a_new_node [Delete],
            presence_never_makes_a_key [Delete],
            a_probe_finds_a_replaced_key [Replace], a_new_node_refuses_what_the_key_before_wrapped [Replace],
            a_replaced_key_has_another_key_id [Replace], after_rotations_a_replaced_key_refuses_too [Replace Rotate],
        }
        concurrency {
            sixty_four_at_once [], wraps_stay_distinct_under_load [], peers_open_each_others_at_once [],
            probes_and_calls_at_once [], dropped_calls_leave_nothing_behind [], dropped_probes_leave_nothing_behind [],
            dropped_under_load_leaves_nothing_behind [], a_deadline_that_is_past_ends_soon [],
            a_probe_whose_time_is_up_ends_soon [], readers_do_not_mind_a_rotation [Rotate],
        }
        secrecy {
            errors_do_not_show_what_is_wrapped [], answers_do_not_show_what_is_wrapped [],
            what_is_dropped_is_wiped [Wipes],
        }
    ]
}

/// Runs every case that the fixture is able to, each on a fixture of its own, one after the other, and prints one
/// line for each.
///
/// # Panics
/// At the end, naming every case that failed.
pub async fn check_all<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Subject>>,
{
    let mut failed = Vec::new();
    for case in cases() {
        let subject = make().await;
        if let Some(missing) = case.needs.iter().find(|need| !subject.capabilities().contains(need)) {
            println!("skipped {} (needs {missing:?})", case.name);
            continue;
        }
        // A task of its own catches the panic; its message is printed as it happens.
        match tokio::spawn(async move { case.run(subject).await }).await {
            Ok(()) => println!("kept    {}", case.name),
            Err(_) => failed.push(case.name),
        }
    }
    assert!(failed.is_empty(), "the provider does not keep to {} cases: {}", failed.len(), failed.join(", "));
}
