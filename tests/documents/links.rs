//! What the documents point to is there.

use super::{document, documents};
use crate::support::trials::trials;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

trials![every_link_leads_somewhere, every_file_the_architecture_names_is_there];

/// Documents for those who change queuectl.
const FOR_CONTRIBUTORS: [&str; 3] = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// What a file that is named ends in; a name with a slash at its end is a folder.
const ENDINGS: [&str; 7] = ["md", "py", "rs", "sql", "svg", "toml", "yaml"];

fn every_link_leads_somewhere() {
    let mut links = 0;
    for name in documents().into_iter().chain(FOR_CONTRIBUTORS.map(str::to_owned)) {
        let folder = Path::new(&name).parent().unwrap();
        for target in targets(&without_blocks(&document(&name))) {
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if path.is_empty() { PathBuf::from(&name) } else { resolved(&folder.join(path)) };
            assert!(root().join(&path).exists(), "{name}: {target}");
            if !anchor.is_empty() {
                let anchors = anchors(&document(path.to_str().unwrap()));
                assert!(anchors.contains(anchor), "{name}: {target} is none of {anchors:?}");
            }
        }
    }
    assert!(links > 50, "{links}");
}

fn every_file_the_architecture_names_is_there() {
    let (text, files) = (document("ARCHITECTURE.md"), files());
    let is_of_a_name = |letter: char| letter.is_alphanumeric() || "_./-<>*…{}".contains(letter);
    let named: BTreeSet<&str> = text
        .split(|letter| !is_of_a_name(letter))
        .filter(|name| {
            ENDINGS.iter().any(|ending| name.ends_with(&format!(".{ending}"))) || name.ends_with('/')
        })
        .filter(|name| name.len() > 1 && !name.contains(['<', '*', '…', '{']) && !name.contains("NAME"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !files.iter().any(|file| file == name || file.ends_with(&format!("/{name}"))))
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text without its blocks of code.
fn without_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Where the links of a text lead to within this repository.
fn targets(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1).filter_map(|after| after.split(')').next());
    after.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// A path without its `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = resolved.pop(),
            component => resolved.push(component),
        }
    }
    resolved
}

/// What GitHub makes of the headings of a text.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = without_blocks(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
        })
        .collect()
}

/// All files and folders of this repository, folders with a slash at their end.
fn files() -> Vec<String> {
    let (mut folders, mut found) = (vec![root().to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() {
                found.push(format!("{name}/"));
                folders.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found
}
