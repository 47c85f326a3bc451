//! What the documents say is true.

use super::{blocks, document};
use crate::support::Home;
use crate::support::trials::trials;
use queuectl_store::LeaseTimes;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

trials![
    the_readme_and_the_architecture_are_short,
    the_reference_quotes_the_configuration,
    the_reference_names_every_program,
    the_reference_shows_a_job_and_a_worker_as_they_are_printed,
    only_the_store_depends_on_a_database_driver,
    the_postgres_document_names_every_parameter,
    the_postgres_document_names_the_times_of_leases,
];

/// Bytes: a README is read in five minutes, an architecture in ten.
const LONGEST: [(&str, usize); 2] = [("README.md", 16 * 1024), ("ARCHITECTURE.md", 14 * 1024)];

fn the_readme_and_the_architecture_are_short() {
    for (name, most) in LONGEST {
        let bytes = document(name).len();
        assert!(bytes <= most, "{name} has {bytes} bytes, {most} at most");
    }
}

fn the_reference_quotes_the_configuration() {
    assert_eq!(blocks(&document("docs/reference.md"), "toml"), [document("config/queuectl.toml")]);
}

fn the_reference_names_every_program() {
    let reference = document("docs/reference.md");
    for program in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bins")).unwrap() {
        let name = program.unwrap().file_name().into_string().unwrap().replacen('-', " ", 1);
        assert!(reference.contains(&format!("`{name}")), "{name}");
    }
}

fn the_reference_shows_a_job_and_a_worker_as_they_are_printed() {
    let home = Home::quick();
    home.enqueue("j", "true");
    home.queuectl(["worker", "start", "--detach"]).assert().success();
    for (heading, printed) in
        [("### A job", ["list", "--json"].as_slice()), ("### A worker", &["worker", "list", "--json"])]
    {
        let reference = document("docs/reference.md");
        let shown = blocks(reference.split(heading).nth(1).unwrap(), "json")[0];
        let shown: Value = serde_json::from_str(shown).unwrap();
        let printed: Value = serde_json::from_str(&home.stdout(printed)).unwrap();
        let keys = |document: &Value| document.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&shown), keys(&printed[0]), "{heading}");
    }
}

fn only_the_store_depends_on_a_database_driver() {
    let packages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shared")).unwrap();
    let packages = packages.map(|package| format!("shared/{}", package.unwrap().file_name().display()));
    for package in packages.chain(["config".to_owned(), ".".to_owned()]) {
        if ["shared/queuectl-store", "shared/queuectl-postgres"].contains(&package.as_str()) {
            continue;
        }
        let manifest = document(&format!("{package}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for driver in ["rusqlite", "postgres", "tokio-postgres"] {
            let is_named = dependencies.lines().any(|line| line.starts_with(driver));
            assert!(!is_named, "{package} names {driver}");
        }
    }
}

/// The rows of the tables of a document that begin with a name in code.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').collect()).collect()
}

fn the_postgres_document_names_every_parameter() {
    let source = document("shared/queuectl-postgres/src/address/url.rs");
    let known = source.split("const PARAMETERS").nth(1).unwrap().split("];").next().unwrap();
    let document = document("docs/postgres.md");
    let rows = rows(&document);
    let names: Vec<Vec<&str>> = known
        .lines()
        .filter(|line| line.trim_start().starts_with("(\""))
        .map(|line| line.split('"').skip(1).step_by(2).collect())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for names in names {
        let is_in_a_row = rows.iter().any(|row| names.iter().all(|name| row.contains(name)));
        let is_refused = document.contains(&format!("`{}` (`{}`)", names[0], names.last().unwrap()));
        assert!(is_in_a_row || is_refused, "{names:?}");
    }
}

fn the_postgres_document_names_the_times_of_leases() {
    let document = document("docs/postgres.md");
    for seconds in [10, 30, 60, 300] {
        let lease = LeaseTimes::of(Duration::from_secs(seconds));
        let times = [
            lease.length(),
            lease.renewed_every(),
            lease.ends_jobs_after(),
            lease.has_ended_jobs_after(),
            lease.dead_after(),
        ];
        let row = times.map(|time| format!(" {} s |", (time.as_secs_f64() * 10.0).round() / 10.0)).concat();
        assert!(document.contains(&format!("|{row}")), "|{row}");
    }
}
