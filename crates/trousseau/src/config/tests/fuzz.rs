use bolero::check;

use super::{read, with};

/// Pieces that make interesting documents more often than plain bytes do.
const PIECES: &[&str] = &[
    "keys:",
    "\n",
    "  ",
    "- ",
    "name: a",
    "vault:",
    "local: {file: /k}",
    "transit: {key: k}",
    "address: https://v",
    "provider: vault",
    "keynames: [k]",
    "token: t",
    "socket: {path: /s}",
    "&a ",
    "*a",
    "<<: ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "--- ",
    "? ",
    "!!binary ",
    "# x",
    "\t",
    "cluster: ",
    "<no value>",
    "0x10",
    ": ",
    "probe: {interval: 1s}",
    "|",
    "é",
    "\u{feff}",
    "admin: off",
];

#[test]
fn no_text_makes_it_panic_and_what_it_takes_it_takes_again() {
    check!().with_type::<(Vec<u8>, bool)>().for_each(|(bytes, whole)| {
        let pieces = |byte: &u8| PIECES[usize::from(*byte) % PIECES.len()];
        let text: String =
            if *whole { bytes.iter().map(pieces).collect() } else { String::from_utf8_lossy(bytes).into() };
        for text in [text.clone(), with(&text)] {
            let Ok(loaded) = read(&text) else { continue };
            let shown = loaded.config.show();
            if !loaded.legacy {
                let again = read(&shown.to_string()).expect("what is shown is a configuration");
                assert_eq!(shown, again.config.show());
            }
        }
    });
}
