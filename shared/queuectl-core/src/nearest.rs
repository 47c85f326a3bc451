//! Which name was probably meant by one that nothing has.

/// Returns up to three of the candidates that were probably meant, nearest first.
///
/// One slip in three characters is forgiven, and a beginning is enough;
/// nonsense is not corrected.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let forgiven = (wanted.chars().count() / 3).max(1);
    let mut meant: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let slips = strsim::damerau_levenshtein(wanted, candidate);
            let begins = wanted.len() >= 3 && candidate.starts_with(wanted);
            // One letter for another of a name of one or two letters is another name.
            let same_start = wanted.chars().count() > 2 || wanted.chars().next() == candidate.chars().next();
            (begins || (slips <= forgiven && same_start)).then_some((slips, candidate))
        })
        .collect();
    meant.sort_unstable();
    meant.dedup();
    meant.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_nonsense_is_not() {
        let names = ["enqueue", "list", "logs", "status", "dlq", "stop", "start"];
        assert_eq!(nearest("enqeue", names), ["enqueue"]);
        assert_eq!(nearest("stat", names), ["start", "status"]);
        assert_eq!(nearest("lst", names), ["list"]);
        assert_eq!(nearest("dlp", names), ["dlq"]);
        assert!(nearest("make-coffee", names).is_empty());
        assert!(nearest("x", names).is_empty());
    }
}
