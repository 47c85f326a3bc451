//! What the documents say is true, can be typed, and leads somewhere.

mod agreement;
mod links;
mod typed;

use libtest_mimic::Trial;
use std::fs;
use std::path::{Path, PathBuf};

pub fn trials() -> Vec<Trial> {
    [agreement::trials(), links::trials(), typed::trials()].into_iter().flatten().collect()
}

pub fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The documents that users read: the README and all of docs/.
fn documents() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(folder).unwrap().map(|entry| PathBuf::from(entry.unwrap().file_name()));
    let mut documents: Vec<String> = files
        .filter(|file| file.extension() == Some("md".as_ref()))
        .map(|file| format!("docs/{}", file.display()))
        .collect();
    documents.sort();
    documents.insert(0, "README.md".to_owned());
    documents
}

/// The blocks of a language, without their fences.
pub fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|after| after.split("```").next()).collect()
}
