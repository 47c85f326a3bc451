//! How much is done: little in `cargo test`, much in `just storm`.

/// So many rounds in the short form, so many in the long one.
pub fn rounds(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}

/// `just storm`, not `cargo test`.
pub fn is_long() -> bool {
    std::env::var_os("QUEUECTL_STORM").is_some()
}

/// Says what a test has found; shown with `--nocapture`, as `just storm` does.
pub fn report(line: &str) {
    eprintln!("    {line}");
}
