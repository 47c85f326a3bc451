//! Links the unwinder into the programs instead of loading it at every start.
//!
//! rustc asks for the shared `libgcc_s`. Loading it costs each start 0.2 to
//! 0.3 ms on a virtual machine, where it asks the processor for its features and
//! each such question goes to the host (docs/performance.md); and a job is added
//! by two programs.
//! A linker script of that name, found first, names the static archive that
//! comes with every gcc. Where there is none, nothing changes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the linker finds under the name of the shared library.
const INSTEAD: &str = "INPUT(-lgcc_eh -lgcc)\n";

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let wants = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let is_native = std::env::var("HOST").is_ok_and(|host| wants("TARGET", &host));
    let has_libgcc = wants("CARGO_CFG_TARGET_OS", "linux") && wants("CARGO_CFG_TARGET_ENV", "gnu");
    if !(is_native && has_libgcc && has_archive()) {
        return Ok(());
    }
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(folder.join("libgcc_s.so"), INSTEAD)?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    Ok(())
}

/// Asks the linker's own compiler where the archive is; it answers with a bare
/// name if it has none.
fn has_archive() -> bool {
    Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}
