//! Did you mean: the known name that a misspelt one is close to.

/// The name closest to `written`, if few enough letters differ. Case and the separators `-`, `_` count for nothing.
pub(super) fn closest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = folded(written);
    let allowed = match written.len() {
        0..=2 => return None,
        3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    let distance = |name: &str| distance(&written, &folded(name));
    let best = known.iter().map(|name| (distance(name), *name)).min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= allowed).map(|(_, name)| name)
}

fn folded(name: &str) -> Vec<char> {
    // Names are short; what isn't is no misspelling.
    name.chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .map(|letter| letter.to_ascii_lowercase())
        .take(64)
        .collect()
}

/// Levenshtein's distance.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.iter().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        for (cell, against) in row.iter_mut().skip(1).zip(other) {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn a_misspelling_finds_its_name_and_a_stranger_finds_none() {
        let known = ["address", "namespace", "transit", "tls", "statusVersion"];
        assert_eq!(closest("adress", &known), Some("address"));
        assert_eq!(closest("status_version", &known), Some("statusVersion"));
        assert_eq!(closest("trasnit", &known), Some("transit"));
        assert_eq!(closest("tsl", &known), None, "two of three letters differ");
        assert_eq!(closest("provider", &known), None);
        assert_eq!(closest("", &known), None);
    }

    #[test]
    fn distances_are_levenshteins() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        for (one, other, expected) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("flaw", "lawn", 2)]
        {
            assert_eq!(distance(&letters(one), &letters(other)), expected, "{one} {other}");
        }
    }
}
