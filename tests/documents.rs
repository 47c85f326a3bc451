//! What the documents say is true.

use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use std::fs;
use std::path::Path;

trials![
    the_readme_quotes_the_configuration,
    the_readme_names_every_program,
    every_line_of_the_readmes_tour_can_be_typed,
    every_file_the_architecture_names_is_there,
    only_the_store_depends_on_a_database_driver,
];

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The blocks of a language, without their fences.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|after| after.split("```").next()).collect()
}

fn the_readme_quotes_the_configuration() {
    assert_eq!(blocks(&document("README.md"), "toml"), [document("config/queuectl.toml")]);
}

fn the_readme_names_every_program() {
    let readme = document("README.md");
    for program in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bins")).unwrap() {
        let name = program.unwrap().file_name().into_string().unwrap().replacen('-', " ", 1);
        assert!(readme.contains(&format!("`{name}")), "{name}");
    }
}

fn every_line_of_the_readmes_tour_can_be_typed() {
    let readme = document("README.md");
    let tour = readme.split("## A two-minute tour").nth(1).unwrap().split("\n## ").next().unwrap();
    let lines = blocks(tour, "sh").concat();
    assert!(lines.lines().count() > 30, "{lines}");
    let home = Home::new();
    let script = home.path("tour.sh");
    fs::write(&script, lines).unwrap();
    let said = home.typed(Spelling::Dispatched, "sh -eu ./tour.sh").assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
    for word in ["hello, my friend", "all is well", "Job long cancelled", "Stopped 2 workers"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

fn every_file_the_architecture_names_is_there() {
    let text = document("ARCHITECTURE.md");
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            ["rs", "sql", "toml"].iter().any(|ending| Path::new(name).extension() == Some(ending.as_ref()))
        })
        .filter(|name| name.contains('/') && !name.contains(['*', '{', '<', ' ', '…', '~', 'N']))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let root = env!("CARGO_MANIFEST_DIR");
        // Short for what is clear from the text around it.
        let there = [
            "",
            "shared/queuectl-",
            "bins/queuectl-",
            "shared/queuectl-store/src/",
            "shared/queuectl-runtime/src/",
        ]
        .iter()
        .any(|beginning| Path::new(&format!("{root}/{beginning}{name}")).exists());
        assert!(there, "{name}");
    }
}

fn only_the_store_depends_on_a_database_driver() {
    for package in ["config", "shared/queuectl-cli", "shared/queuectl-core", "shared/queuectl-runtime", "."] {
        let manifest = document(&format!("{package}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
        for driver in ["rusqlite", "postgres"] {
            assert!(!dependencies.contains(driver), "{package} names {driver}");
        }
    }
}
