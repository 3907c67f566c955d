//! Real clients: the captures of `tests/golden`.

use std::{fs, path::Path};

use super::oracle::{filter, filtered, stock};

/// Name and bytes of each capture.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut captures: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    captures.sort();
    assert_eq!(captures.len(), 4 * 6);
    captures
}

/// The authorities that h2 takes as they are.
fn is_acceptable(name: &str) -> bool {
    name.ends_with("-localhost") || name.ends_with("-abstract")
}

/// The filter can go when this fails: h2 then takes what grpc-go sends.
#[test]
fn h2_still_refuses_a_socket_path_as_authority() {
    for (name, bytes) in captures() {
        let seen = stock(&bytes);
        let expected = if is_acceptable(&name) { (2, 0) } else { (0, 2) };
        assert_eq!((seen.requests.len(), seen.refused), expected, "{name}");
    }
}

#[test]
fn calls_of_grpc_go_arrive() {
    for (name, bytes) in captures() {
        let paths = if name.contains("-v1-") {
            ["/v1beta1.KeyManagementService/Version", "/v1beta1.KeyManagementService/Encrypt"]
        } else {
            ["/v2.KeyManagementService/Status", "/v2.KeyManagementService/Encrypt"]
        };
        for chunk in [1, 10, 1000, 100_000] {
            let seen = filtered(&bytes, chunk);
            assert_eq!((seen.refused, seen.closed), (0, false), "{name}");
            assert_eq!(seen.requests.iter().map(|request| &request.path[..]).collect::<Vec<_>>(), paths, "{name}");
            for request in seen.requests {
                let agent = request.fields["user-agent"].to_str().unwrap();
                assert!(name.starts_with(&agent.replace('/', "-")), "{name}: {agent}");
                assert_eq!(request.fields["te"], "trailers", "{name}");
                assert!(request.fields.contains_key("grpc-timeout"), "{name}");
                assert_eq!(
                    request.fields.get("x-long").map(http::HeaderValue::len),
                    name.ends_with("-long").then_some(16_500)
                );
            }
        }
    }
}

#[test]
fn the_stand_in_is_as_long_as_the_path() {
    for (name, bytes) in captures() {
        let expected = match &name[name.len() - "1.56.3-v2-path".len()..] {
            "1.56.3-v2-path" | "1.56.3-v1-path" => "/tmp/kms-golden/kms.sock".len(),
            rest if rest.ends_with("-path") && !rest.ends_with("-odd-path") => "%2Ftmp%2Fkms-golden%2Fkms.sock".len(),
            _ => continue,
        };
        for request in filtered(&bytes, 4096).requests {
            assert_eq!(request.authority.unwrap().len(), expected, "{name}");
        }
    }
}

#[test]
fn acceptable_authorities_stay() {
    for (name, bytes) in captures() {
        assert_eq!(filter(&bytes, &[4096]) == bytes, is_acceptable(&name), "{name}");
    }
}
