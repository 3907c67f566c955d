//! What a panic prints: its place, never what it says.

use std::process::{Command, Stdio};

use super::search::{Canary, Outputs, Search};

const CHILD: &str = "TROUSSEAU_TEST_PANICS";

fn secret() -> Canary {
    Canary::text("in a panic", "seed-")
}

/// Panics in every place that the program runs code in, with a secret in the payload, behind the program's own hook.
fn panic_everywhere() {
    trousseau::cli::harden();
    let say = || panic!("can't work with {}", secret().as_str());
    let thread: Result<(), _> = std::thread::spawn(say).join();
    assert!(thread.is_err());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        assert!(tokio::spawn(async move { say() }).await.is_err());
        assert!(tokio::task::spawn_blocking(say).await.is_err());
    });
    let refused = || -> Result<u8, String> { Err(secret().as_str().to_owned()) };
    assert!(std::thread::spawn(move || refused().unwrap()).join().is_err());
}

#[test]
fn i9_a_panic_tells_its_place_and_not_its_payload() {
    if std::env::var_os(CHILD).is_some() {
        panic_everywhere();
        return;
    }
    let name = "canary::panics::i9_a_panic_tells_its_place_and_not_its_payload";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("trousseau: panic at ").count(), 4, "{text}");
    assert!(text.contains("panics.rs:"), "{text}");
    let mut outputs = Outputs::default();
    outputs.add("stderr", output.stderr);
    outputs.add("stdout", output.stdout);
    outputs.assert_clean(&Search::new(&[secret()]));
}
