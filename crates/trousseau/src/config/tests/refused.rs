use super::{CANARY, refused, vault, with};

/// The text, the place that the error names, a part of what it says, and a part of the remedy.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("", "t.yaml: ", "is empty", "`keys:`"),
    (" \n# only a comment\n", "t.yaml: ", "is empty", ""),
    ("--- \n", "t.yaml: ", "is empty", ""),
    ("just text", "t.yaml:1:1: ", "no fields at its top level", "`keys:`"),
    ("- a\n- b\n", "t.yaml:1:1: ", "no fields at its top level", ""),
    ("keys: []\n---\nkeys: []\n", "t.yaml:3:1: ", "second document", "keep one"),
    ("keys:\n\t- name: x\n", "t.yaml:2:2: ", "tabs", "spaces"),
    ("keys: 'unterminated", "t.yaml:1:7: ", "unclosed quote", "quote values"),
    ("keys: []", "t.yaml:1:7: ", "`keys` is an empty list", "add the key"),
    ("keys:", "t.yaml:1:5: ", "`keys` must be a list", ""),
    ("cluster: x\n", "t.yaml:1:1: ", "lacks the field `keys`", "add it"),
    ("keys: *nothing\n", "t.yaml:1:7: ", "alias without its anchor", "write the value out"),
    // Unknown names, and which one was meant.
    ("clustr: a\nkeys: []\n", "t.yaml:1:1: ", "`clustr`", "did you mean `cluster`?"),
    ("keys: []\nprovidr: vault\n", "t.yaml:2:1: ", "`providr`", "the fields here are `cluster`"),
    ("keys:\n  - name: x\n    vualt: {}\n", "t.yaml:3:5: ", "`vualt`", "did you mean `vault`?"),
    ("keys:\n  - name: x\n    kleidi: {}\n", "t.yaml:3:5: ", "`kleidi`", "`local`, `vault`"),
    ("keys:\n  - name: x\n    local: {path: /k}\n", "t.yaml:3:13: ", "`path`", "`file`, `credential`"),
    // A key and its KMS.
    ("keys:\n  - name: x\n", "t.yaml:2:5: ", "`keys[0]` names no KMS", "`local`, `vault`"),
    ("keys:\n  - local: {file: /k}\n", "t.yaml:2:5: ", "`keys[0]` lacks the field `name`", ""),
    ("keys:\n  - name: ''\n    local: {file: /k}\n", "t.yaml:2:11: ", "is no name for a key", "1 to 63"),
    (
        "keys:\n  - name: x\n    local: {file: /k}\n    vault: {transit: {key: x}}\n",
        "t.yaml:2:5: ",
        "two KMS",
        "make two",
    ),
    ("keys:\n  - name: x\n    local: {file: /k}\n    local: {file: /k}\n", "t.yaml:4:5: ", "`local`", "keep one"),
    ("keys:\n  - name: x\n    local: {}\n", "t.yaml:3:12: ", "`keys[0].local` needs `file` or `credential`", ""),
    ("keys:\n  - name: x\n    local: {file: k}\n", "t.yaml:3:19: ", "no absolute path", "begin it with `/`"),
    (
        "keys:\n  - {name: x, local: {file: /k}}\n  - {name: x, local: {file: /l}}\n",
        "t.yaml:3:12: ",
        "`keys[1].name` is the name of keys[0] too",
        "its own name",
    ),
    // Several KMS at once.
    ("keys:\n  - {name: x, any: {of: [{name: a, local: {file: /k}}]}}\n", "t.yaml:2:", "has 1 members", "write 2 to 8"),
    (
        "keys:\n  - name: x\n    any: {writeQuorum: 3, of: [{name: a, local: {file: /k}}, {name: b, local: {file: /l}}]}\n",
        "t.yaml:3:",
        "`keys[0].any.writeQuorum` can't be reached",
        "write 1 to 2",
    ),
    (
        "keys:\n  - name: x\n    any: {of: [{name: a, local: {file: /k}}, {name: b, local: {file: /k}}]}\n",
        "t.yaml:3:",
        "is the same key as of[0]",
        "another KMS",
    ),
    (
        "keys:\n  - name: x\n    any: {of: [{name: a, local: {file: /k}}, {name: a, local: {file: /l}}]}\n",
        "t.yaml:3:",
        "`keys[0].any.of[1].name` is the name of keys[0].any.of[0] too",
        "its own name",
    ),
    ("keys:\n  - name: x\n    any: {off: []}\n", "t.yaml:3:11: ", "`off`", "did you mean `of`?"),
    ("keys:\n  - name: x\n    aad: no\n    local: {file: /k}\n", "t.yaml:3:10: ", "`keys[0].aad`", "`required`, `off`"),
    (
        "keys:\n  - name: x\n    accept: [trouseau-no-aad]\n    local: {file: /k}\n",
        "t.yaml:3:14: ",
        "`keys[0].accept[0]`",
        "did you mean `trousseau-no-aad`?",
    ),
    // Another plugin as the KMS.
    (
        "keys:\n  - name: x\n    plugin: {socket: 'unix:///k'}\n",
        "t.yaml:3:22: ",
        "`keys[0].plugin.socket` is an endpoint",
        "path alone",
    ),
    ("keys:\n  - name: x\n    plugin: {socket: k}\n", "t.yaml:3:22: ", "no absolute path", "begin it with `/`"),
    ("keys:\n  - name: x\n    plugin: {}\n", "t.yaml:3:13: ", "lacks the field `socket`", "add it"),
    (
        "keys:\n  - name: x\n    plugin: {socket: /k, epoch: 2}\n",
        "t.yaml:3:33: ",
        "`keys[0].plugin.epoch` is set, but `api` is `v2`",
        "remove it",
    ),
];

/// A line in front of a good key.
const LINES: &[(&str, &str, &str)] = &[
    ("socket: {path: kms.sock}", "`socket.path` is no absolute path", "begin it with `/`"),
    ("socket: {path: /run/}", "`socket.path` names no file", "full path"),
    ("socket: {path: }", "`socket.path` is empty", "leave the field out"),
    ("socket: /run/x.sock", "`socket` must be fields", ""),
    ("socket: {mode: 0668}", "`socket.mode` is no file mode", "\"0660\""),
    ("socket: {mode: '0666'}", "`socket.mode` is 0666: everybody", "`allow`"),
    ("socket: {path: <no value>}", "`socket.path` is `<no value>`", "KV secret"),
    ("admin: localhost:8787", "`admin` is no IP address", "`off`"),
    ("log: {level: inof}", "`log.level`", "did you mean `info`?"),
    ("log: {format: xml}", "`log.format`", "`text`, `json`"),
    ("statusVersion: v1", "`statusVersion`", "`v2beta1`, `v2`"),
    ("force: maybe", "`force` must be true or false", ""),
    ("health: {grace: 30}", "`health.grace` is no duration", "`30s`"),
    ("health: {grace: 59s}", "`health.grace` is shorter than two probe intervals", "at least 1m"),
    ("probe: {interval: fast}", "`probe.interval` is no duration", "`200ms`"),
    ("probe: {interval: 1ms}", "`probe.interval` is shorter than 100 ms", ""),
    ("probe: {timeout: 200y}", "`probe.timeout` is longer than 31 days", ""),
    ("probe: {promotionDelay: 59s}", "`probe.promotionDelay` is shorter", "at least 1m"),
    ("probe: {observations: 0}", "`probe.observations` is 0", "1 or more"),
    ("limits: {inFlight: many}", "`limits.inFlight` must be a whole number", ""),
    ("limits: {inFlight: 0}", "`limits.inFlight` is 0", "1 or more"),
    ("limits: {request: 5 pounds}", "`limits.request` is no size", "64kB"),
    ("limits: {request: 10}", "`limits.request` is smaller", "4096"),
    ("limits: {margin: 3s}", "`limits.margin` leaves nothing", ""),
    ("cluster: [a, a]", "`cluster` can't be told apart", "another name"),
    ("cluster: ' a'", "`cluster` has a name with a blank", "take it out"),
    ("cluster: 5", "must be a text", "quotes"),
];

/// A field of a Vault key.
const VAULT: &[(&str, &str, &str)] = &[
    ("address: vault:8200", "`keys[0].vault.address` has no scheme", "https://HOST:PORT"),
    ("address: ftp://vault", "`keys[0].vault.address` is no address", "https://HOST:PORT"),
    ("address: http://vault:8200", "`keys[0].vault.address` is not encrypted", "`allowHttp: true`"),
    ("address: <no value>", "`keys[0].vault.address` is `<no value>`", "KV secret"),
    ("epoch: 3", "`keys[0].vault.epoch` is set", "`identity: version`"),
    ("identity: metdata", "`keys[0].vault.identity`", "did you mean `metadata`?"),
    ("timeouts: {whole: 5}", "is no duration", "`30s`"),
    ("auth: {token: {file: token}}", "`keys[0].vault.auth.token.file` is no absolute path", ""),
    ("tls: {ca: ca.pem}", "`keys[0].vault.tls.ca` is no absolute path", ""),
    ("auth: {kubernetes: {role: x}}", "is none of the known values", "`token`"),
];

fn says(text: &str, parts: &[&str]) {
    let error = refused(text);
    assert!(error.starts_with(parts[0]), "{error}\n{text}");
    assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}\n{error}\n{text}");
}

#[test]
fn i10_each_mistake_is_named_with_its_place_and_its_remedy() {
    for (text, place, what, remedy) in MISTAKES {
        says(text, &[place, what, remedy]);
    }
    for (line, what, remedy) in LINES {
        says(&with(line), &["t.yaml:1:", what, remedy]);
    }
    for (field, what, remedy) in VAULT {
        says(&vault(field), &["t.yaml:5:", what, remedy]);
    }
}

#[test]
fn a_socket_path_has_107_bytes_at_most() {
    let path = |length: usize| format!("socket: {{path: /{}}}", "s".repeat(length - 1));
    assert!(super::read(&with(&path(107))).is_ok());
    says(&with(&path(108)), &["t.yaml:1:16: ", "`socket.path` has 108 bytes", "107", "shorter"]);
}

#[test]
fn an_alias_bomb_ends_at_once() {
    let line = |name: char, of: char| format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(","));
    let bomb: String = ('b'..='j').zip('a'..='i').map(|(name, of)| line(name, of)).collect();
    let began = std::time::Instant::now();
    says(&format!("a: &a [x,x,x,x,x,x,x,x,x]\n{bomb}"), &["t.yaml:", "aliases expand to too much", "without anchors"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    says(&"[".repeat(5000), &["t.yaml:", ""]);
}

#[test]
fn i9_no_error_repeats_a_value() {
    let inside = [
        format!("auth: {CANARY}"),
        format!("auth: {{token: {CANARY}}}"),
        format!("auth: {{{CANARY}: x}}"),
        format!("auth: {{token: {{file: {CANARY}}}}}"),
        format!("auth: {{token: {{renew: {CANARY}}}}}"),
        format!("auth: {{token: {{inline: {CANARY}}}}}"),
        format!("token: {CANARY}"),
        format!("address: {CANARY}"),
        format!("address: https://user:{CANARY}@vault"),
        format!("identity: {CANARY}"),
        format!("epoch: {CANARY}"),
        format!("timeouts: {{whole: {CANARY}}}"),
        format!("tls: {CANARY}"),
        format!("{CANARY}: x"),
        CANARY.to_owned(),
        format!("x: !{CANARY} y"),
        format!("x: *{CANARY}"),
        format!("'{CANARY}': 1\n      '{CANARY}': 2"),
    ];
    let around = ["cluster", "socket", "admin", "log", "statusVersion", "health", "limits", "keys"];
    let texts = inside.iter().map(|field| vault(field));
    let outside = around.iter().map(|name| with(&format!("{name}: {{x: {CANARY}}}")));
    for text in texts.chain(outside).chain(around.iter().map(|name| format!("{name}: \"{CANARY}\n"))) {
        let error = refused(&text);
        assert!(!error.contains("canary"), "{error}");
        assert!(!format!("{:?}", super::read(&text)).contains("canary"));
    }
}
