//! Users and groups by name, read from /etc/passwd and /etc/group: a static build has no name service.

use std::fs;

use anyhow::{Context as _, anyhow};

/// The number of a user, given as number or name.
pub(super) fn user(name: &str) -> anyhow::Result<u32> {
    find(name, "/etc/passwd", "user")
}

/// The number of a group, given as number or name.
pub(super) fn group(name: &str) -> anyhow::Result<u32> {
    find(name, "/etc/group", "group")
}

fn find(name: &str, file: &str, what: &str) -> anyhow::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let list = fs::read_to_string(file).with_context(|| format!("{what} `{name}`: can't read {file}"))?;
    number_of(&list, name).ok_or_else(|| anyhow!("{what} `{name}` is not in {file}; write its number, or create it"))
}

/// The third field of the line whose first is the name (passwd(5), group(5)).
fn number_of(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn names_are_found_by_line() {
        let list = "root:x:0:0::/root:/bin/sh\nkube:x:500:500::/:/bin/false\nbad:x:y\n";
        assert_eq!(number_of(list, "kube"), Some(500));
        assert_eq!(number_of(list, "kub"), None);
        assert_eq!(number_of(list, "bad"), None);
    }
}
