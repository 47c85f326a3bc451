//! No two files of a crate import each other, directly or over others.
//!
//! Every module of a crate is a node, and each path that leads into another module
//! (`use` or in place, also within macros) an edge. What stands behind `#[cfg(test)]`
//! does not count, nor do the root's own items; what the root re-exports counts as a
//! path to the module that it comes from.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The names that lead to a module, or to an item, from the root of its crate.
type Names = Vec<String>;

/// The modules of one crate.
#[derive(Default)]
struct Crate {
    /// Each with its tokens and the files' own `mod` blocks still in them.
    modules: BTreeMap<Names, Vec<TokenTree>>,
    /// What the root re-exports, and from where.
    exports: BTreeMap<String, Names>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut read = Self::default();
        read.load(root, root.parent().unwrap(), Names::new());
        let imports = imports(&read.modules[&Names::new()]);
        let named = imports.into_iter().filter(|(_, path)| path.len() > 1);
        read.exports = named.map(|(name, path)| (name, read.module_of(&path, &[], 0))).collect();
        read
    }

    /// Reads a file, and those whose modules it declares.
    fn load(&mut self, file: &Path, folder: &Path, names: Names) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens = without_tests(text.parse::<TokenStream>().unwrap());
        for (at, token) in tokens.iter().enumerate() {
            if !is(Some(token), "mod") || !is(tokens.get(at + 2), ";") {
                continue;
            }
            let name = tokens[at + 1].to_string();
            let child = [names.as_slice(), std::slice::from_ref(&name)].concat();
            let (file, folder) = if let Some(path) = path_attribute(&tokens[..at]) {
                // A file that is named stands where a `mod.rs` would.
                (file.with_file_name(path), file.parent().unwrap().to_owned())
            } else {
                let places = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                let place = places.into_iter().find(|place| place.exists());
                let place = place.unwrap_or_else(|| panic!("module {name} of {}", file.display()));
                (place, folder.join(&name))
            };
            self.load(&file, &folder, child);
        }
        // A module that is another on each platform is read for each.
        self.modules.entry(names).or_default().extend(tokens);
    }

    /// The module that a path leads to, as seen from another, within so many `mod` blocks
    /// of that file; the root if it leads nowhere within the crate.
    fn module_of(&self, path: &[String], from: &[String], mut blocks: usize) -> Names {
        let mut absolute = from.to_vec();
        let supers = path.iter().take_while(|name| *name == "super").count();
        let rest = &path[supers..];
        if supers > 0 {
            for _ in 0..supers.saturating_sub(blocks) {
                absolute.pop();
            }
            blocks = blocks.saturating_sub(supers);
        }
        let rest = match rest.first().map(String::as_str) {
            Some("crate") => {
                absolute.clear();
                &rest[1..]
            }
            Some("self") if blocks == 0 => &rest[1..],
            Some(first) if supers == 0 && (blocks > 0 || !self.has_child(from, first)) => {
                return Names::new();
            }
            _ => rest,
        };
        absolute.extend_from_slice(rest);
        while !self.modules.contains_key(&absolute) {
            if absolute.len() == 1 {
                return self.exports.get(&absolute[0]).cloned().unwrap_or_default();
            }
            absolute.pop();
        }
        absolute
    }

    fn has_child(&self, module: &[String], name: &str) -> bool {
        self.modules.contains_key(&[module, &[name.to_owned()]].concat())
    }

    /// Which modules each one names.
    fn edges(&self) -> BTreeMap<&Names, BTreeSet<Names>> {
        let named_by = |names: &Names, tokens: &[TokenTree]| {
            let mut paths = Vec::new();
            find_paths(tokens, 0, &mut paths);
            let named = paths.iter().map(|(path, blocks)| self.module_of(path, names, *blocks));
            named.filter(|other| !other.is_empty() && other != names).collect()
        };
        let below_the_root = self.modules.iter().filter(|(names, _)| !names.is_empty());
        below_the_root.map(|(names, tokens)| (names, named_by(names, tokens))).collect()
    }

    /// Modules that are in a circle, each circle once.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let reach = |from: &Names| {
            let (mut seen, mut left) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(next) = left.pop() {
                let new = edges[&next].iter().filter(|&other| seen.insert(other.clone()));
                left.extend(new.cloned().collect::<Vec<_>>());
            }
            seen
        };
        let reached: BTreeMap<&Names, BTreeSet<Names>> =
            edges.keys().map(|&names| (names, reach(names))).collect();
        let circle = |&names: &&Names| {
            let others = reached[names].iter().filter(|other| reached[other].contains(names));
            others.map(|names| names.join("::")).collect::<Vec<_>>().join(" ↔ ")
        };
        let circles: BTreeSet<String> = edges.keys().map(circle).collect();
        circles.into_iter().filter(|circle| !circle.is_empty()).collect()
    }
}

fn is(token: Option<&TokenTree>, text: &str) -> bool {
    token.is_some_and(|token| !matches!(token, TokenTree::Group(_)) && token.to_string() == text)
}

fn inside(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    }
}

/// Leaves out every item with an attribute `cfg(test)`, up to its block or semicolon.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let attribute = inside(tokens.get(at + 1), Delimiter::Bracket).unwrap_or_default();
        if is(Some(&tokens[at]), "#")
            && is(attribute.first(), "cfg")
            && attribute.get(1).is_some_and(|condition| condition.to_string() == "(test)")
        {
            let is_end =
                |token: &TokenTree| is(Some(token), ";") || inside(Some(token), Delimiter::Brace).is_some();
            at += tokens[at..].iter().position(is_end).map_or(tokens.len() - at, |end| end + 1);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The path in `#[path = "…"]`, if that stands directly before.
fn path_attribute(before: &[TokenTree]) -> Option<PathBuf> {
    let attribute = inside(before.last(), Delimiter::Bracket)?;
    is(attribute.first(), "path").then(|| attribute[2].to_string().trim_matches('"').into())
}

/// Finds every path with two names or more, and in how many `mod` blocks it stands.
fn find_paths(tokens: &[TokenTree], blocks: usize, paths: &mut Vec<(Names, usize)>) {
    for (at, token) in tokens.iter().enumerate() {
        let goes_on = at > 1 && is(tokens.get(at - 1), ":") && is(tokens.get(at - 2), ":");
        // What goes on was read with what it goes on from.
        if let TokenTree::Group(group) = token
            && !goes_on
        {
            let is_module = at > 1 && is(tokens.get(at - 2), "mod");
            let within = without_tests(group.stream());
            find_paths(&within, blocks + usize::from(is_module), paths);
        }
        if matches!(token, TokenTree::Ident(_)) && !goes_on {
            let tree = path_tree(&tokens[at..], &Names::new());
            paths.extend(tree.into_iter().filter(|path| path.len() > 1).map(|path| (path, blocks)));
        }
    }
}

/// The paths that begin here: one, or those of a tree as in `use a::{b, c::d}`.
fn path_tree(tokens: &[TokenTree], before: &Names) -> Vec<Names> {
    if let Some(branches) = inside(tokens.first(), Delimiter::Brace) {
        let branches = branches.split(|token| is(Some(token), ","));
        return branches.flat_map(|branch| path_tree(branch, before)).collect();
    }
    let Some(name) = tokens.first().filter(|name| !before.is_empty() || matches!(name, TokenTree::Ident(_)))
    else {
        return Vec::new();
    };
    let path = [before.as_slice(), &[name.to_string()]].concat();
    let goes_on = is(tokens.get(1), ":") && is(tokens.get(2), ":");
    if goes_on { path_tree(&tokens[3..], &path) } else { vec![path] }
}

/// What the `use` items of a file import: each path with its last name.
fn imports(tokens: &[TokenTree]) -> Vec<(String, Names)> {
    let uses = tokens.iter().enumerate().filter(|(_, token)| is(Some(token), "use"));
    let paths = uses.flat_map(|(at, _)| path_tree(&tokens[at + 1..], &Names::new()));
    paths.filter_map(|path| Some((path.last()?.clone(), path))).collect()
}

/// The root file of each crate, and its name.
fn crates() -> Vec<(String, PathBuf)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = |name: &str| fs::read_dir(top.join(name)).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders("shared").chain(folders("bins")).chain([top.join("config")]);
    let root = |folder: PathBuf| {
        let root =
            ["src/lib.rs", "main.rs"].map(|name| folder.join(name)).into_iter().find(|root| root.exists())?;
        Some((folder.strip_prefix(top).unwrap().display().to_string(), root))
    };
    folders.filter_map(root).collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (name, root) in crates() {
        let circles = Crate::read(&root).circles();
        wrong.extend(circles.iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
