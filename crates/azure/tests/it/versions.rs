//! Versions: listed by age, those that may write told from those that only read.

use trousseau_core::{ErrorKind, KeyVersion, Observation, Provider, VersionInfo};

use super::{AAD, Fixture, call, newest, opens, refused, seed, wrap};

fn names(seen: &Observation) -> Vec<String> {
    seen.versions.iter().map(|info| info.version.to_string()).collect()
}

#[tokio::test]
async fn versions_are_listed_oldest_first_over_many_pages() {
    let fixture = Fixture::vault();
    fixture.azure.page(3);
    let mut made = vec![newest(&fixture.provider()).await.to_string()];
    for _ in 0..9 {
        made.push(fixture.azure.rotate("k"));
    }
    let seen = fixture.provider().observe(&call()).await.unwrap();
    assert_eq!(names(&seen), made);
    assert!(seen.versions.windows(2).all(|pair| pair[0].created < pair[1].created));
    assert!(seen.active_node && !seen.newest_only && seen.credential_ttl.is_some());
    assert!(seen.clock_skew.is_some_and(|skew| skew.abs() <= 2), "{:?}", seen.clock_skew);
}

#[tokio::test]
async fn an_expired_version_reads_and_never_writes() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let old = wrap(&provider).await.unwrap();
    fixture.azure.set("k", None, |state| state.exp = Some(state.created + 1));
    fixture.azure.advance(5);
    let seen = provider.observe(&call()).await.unwrap();
    assert_eq!(seen.versions[0].active_from, Some(VersionInfo::NEVER));
    opens(&provider, &old).await;
    let next = fixture.azure.rotate("k");
    assert_eq!(newest(&provider).await, KeyVersion::Name(next));
}

#[tokio::test]
async fn a_version_that_is_not_valid_yet_waits_by_the_vaults_clock() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let first = newest(&provider).await;
    let second = fixture.azure.rotate("k");
    fixture.azure.set("k", None, |state| state.nbf = Some(state.created + 1000));
    assert_eq!(newest(&provider).await, first);
    fixture.azure.advance(1002);
    assert_eq!(newest(&provider).await, KeyVersion::Name(second));
    let seen = provider.observe(&call()).await.unwrap();
    assert!(seen.clock_skew.is_some_and(|skew| (1000..1005).contains(&skew)), "the skew is told");
}

#[tokio::test]
async fn a_disabled_version_is_not_listed_and_opens_nothing_until_it_is_enabled() {
    for fixture in [Fixture::vault(), Fixture::hsm()] {
        let provider = fixture.provider();
        let old = wrap(&provider).await.unwrap();
        let KeyVersion::Name(first) = old.version.clone() else { unreachable!("Azure's versions have names") };
        let second = fixture.azure.rotate("k");
        fixture.azure.set("k", Some(&first), |state| state.enabled = false);
        assert_eq!(names(&provider.observe(&call()).await.unwrap()), [second.as_str()]);
        assert_eq!(refused(&provider, &old).await, ErrorKind::Disabled);
        fixture.azure.set("k", Some(&second), |state| state.enabled = false);
        assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Disabled);
        fixture.azure.set("k", Some(&first), |state| state.enabled = true);
        opens(&provider, &old).await;
    }
}

/// In an HSM the wrap itself is refused, and says that another version is wanted.
#[tokio::test]
async fn a_version_that_expired_just_now_is_refused_by_name() {
    let fixture = Fixture::hsm();
    let provider = fixture.provider();
    let version = newest(&provider).await;
    fixture.azure.set("k", None, |state| state.exp = Some(state.created));
    let error = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionRefused, "{}", error.chain());
}

#[tokio::test]
async fn a_pinned_version_writes_and_all_read_without_the_right_to_list() {
    let fixture = Fixture::hsm();
    let pinned = newest(&fixture.provider()).await;
    fixture.azure.rotate("k");
    let newer = wrap(&fixture.provider()).await.unwrap();
    fixture.azure.forbid("list");
    let provider = fixture.with(|section| section["version"] = pinned.to_string().into());
    let seen = provider.observe(&call()).await.unwrap();
    assert_eq!(names(&seen), [pinned.to_string()]);
    assert!(seen.newest_only, "what isn't listed may open all the same");
    assert_eq!(wrap(&provider).await.unwrap().version, pinned);
    opens(&provider, &newer).await;
}

#[tokio::test]
async fn a_soft_deleted_key_is_gone_until_it_is_recovered() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let wrapped = wrap(&provider).await.unwrap();
    fixture.azure.delete("k");
    let error = provider.presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert!(error.chain().contains("az keyvault key recover --name k"), "{}", error.chain());
    assert_eq!(refused(&provider, &wrapped).await, ErrorKind::Gone);
    fixture.azure.recover("k");
    opens(&provider, &wrapped).await;
}

#[tokio::test]
async fn a_replaced_key_does_not_know_the_old_version() {
    for fixture in [Fixture::vault(), Fixture::hsm()] {
        let provider = fixture.provider();
        let wrapped = wrap(&provider).await.unwrap();
        fixture.azure.replace("k");
        assert_eq!(refused(&provider, &wrapped).await, ErrorKind::TooNew);
        let missing = provider.wrap(&wrapped.version, &seed(), AAD, &call()).await;
        if let Err(error) = missing {
            assert_eq!(error.kind(), ErrorKind::VersionRefused, "{}", error.chain());
        }
    }
}

#[tokio::test]
async fn versions_that_are_no_names_of_azures_are_never_asked_for() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let wrapped = wrap(&provider).await.unwrap();
    let before = fixture.server.requests().len();
    for name in ["", "1", "../../secrets/s", &wrapped.version.to_string().to_uppercase()] {
        let version = KeyVersion::Name(name.to_owned());
        let error = provider.unwrap(&version, &wrapped.bytes, AAD, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let error = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::VersionRefused);
    }
    assert_eq!(fixture.server.requests().len(), before);
}
