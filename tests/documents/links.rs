//! What the documents point to is there.

use super::{document, documents};
use crate::support::trials::trials;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

trials![every_link_leads_somewhere, every_file_the_architecture_names_is_there];

/// Documents for those who change queuectl.
const FOR_CONTRIBUTORS: [&str; 3] = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];

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
