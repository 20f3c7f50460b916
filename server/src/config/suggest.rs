//! The known key that a misspelt one most likely meant.

/// The candidate nearest to `given`, if it is near enough to be worth a suggestion: at most a
/// third of the letters wrong, or the same last part in another section.
pub(super) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let given_last = last(given);
    candidates
        .into_iter()
        .map(|candidate| {
            let whole = distance(given, candidate);
            let allowed = given.chars().count().div_ceil(3);
            let same_name = last(candidate) == given_last;
            (candidate, whole, whole <= allowed || same_name)
        })
        .filter(|&(_, _, near)| near)
        .min_by_key(|&(_, distance, _)| distance)
        .map(|(candidate, _, _)| candidate)
}

/// Levenshtein distance: insertions, deletions and replacements between two texts.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_letter_changes() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("port", "prot", 2),
            ("kitten", "sitting", 3),
            ("näme", "name", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_a_near_key_is_suggested() {
        let known = ["listen.port", "admin.port", "gateway.resume_window_s"];
        assert_eq!(nearest("listen.prot", known), Some("listen.port"));
        assert_eq!(nearest("guild.resume_window_s", known), Some(known[2]));
        assert_eq!(nearest("zzz", known), None);
    }
}
