//! Sibling modules must not import each other in a circle.
//!
//! For every folder of modules, the graph of its children (files or folders) must have no cycle. A child points to
//! another one if a file of the first uses something of the second, also through a re-export of a parent. A parent
//! and its children may use each other, as Rust often requires. Code that two children share belongs in a third child
//! below both, or in their parent. Test code is not checked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Finding;
use super::imports::{Import, ImportKind, imports};
use super::rust_text::{code_outside_tests, is_support};
use super::tree::Tree;

/// Folders that are not checked. A kernel is split into files by CPU level and by step; these call each other so that
/// they are inlined into one function, and the C interface uses all of them.
const LEFT_OUT: [&str; 1] = ["crates/sst-kernels/src/"];

/// The words of a module's path, relative to the root of its crate.
type Module = Vec<String>;
/// The graph: which child uses which other child, and the first place (file and line) that does.
type Graph<'a> = BTreeMap<String, BTreeMap<String, (&'a str, usize)>>;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files: Vec<(&str, &str)> =
        tree.rust().filter(|(path, _)| path.contains("/src/") && !is_left_out(path)).collect();
    let mut crates = BTreeMap::<&str, CrateModules<'_>>::new();
    let roots: BTreeSet<&str> = files.iter().filter_map(|(path, _)| root_of_crate(path)).collect();
    for (path, text) in files {
        // A binary in a subfolder of a library is a separate crate.
        let inside = |root: &&&str| path.strip_prefix(**root).is_some_and(|p| p.starts_with('/'));
        let Some(root) = roots.iter().filter(inside).max_by_key(|root| root.len()) else {
            continue;
        };
        crates.entry(root).or_default().add(root, path, text);
    }
    crates.values().flat_map(CrateModules::findings).collect()
}

fn is_left_out(path: &str) -> bool {
    is_support(path) || LEFT_OUT.iter().any(|folder| path.starts_with(folder))
}

/// The folder of a file if the file is the root of a crate.
fn root_of_crate(path: &str) -> Option<&str> {
    path.strip_suffix("/lib.rs").or_else(|| path.strip_suffix("/main.rs"))
}

/// The files of a crate by module.
#[derive(Default)]
struct CrateModules<'a> {
    files: BTreeMap<Module, Vec<File<'a>>>,
}

struct File<'a> {
    path: &'a str,
    imports: Vec<Import>,
}

impl<'a> CrateModules<'a> {
    fn add(&mut self, root: &str, path: &'a str, text: &str) {
        let below = path[root.len() + 1..].trim_end_matches(".rs");
        let mut module: Module = below.split('/').map(str::to_owned).collect();
        let is_root = matches!(below, "lib" | "main");
        if is_root || module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        let imports = imports(&code_outside_tests(text));
        self.files.entry(module).or_default().push(File { path, imports });
    }

    fn findings(&self) -> Vec<Finding> {
        let mut graphs = BTreeMap::<&[String], Graph<'a>>::new();
        for (module, files) in &self.files {
            for file in files {
                for import in &file.imports {
                    let Some(target) = self.target(module, &import.path) else { continue };
                    let shared = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
                    let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) else {
                        continue;
                    };
                    let graph = graphs.entry(&module[..shared]).or_default();
                    let edges = graph.entry(from.clone()).or_default();
                    edges.entry(to.clone()).or_insert((file.path, import.line));
                }
            }
        }
        graphs.values().flat_map(circles).collect()
    }

    /// Resolves `path`, used in `module`, to the deepest module on it; `None` for a path into another crate.
    fn target(&self, module: &[String], path: &[String]) -> Option<Module> {
        let mut open: VecDeque<String> = self.absolute(module, path)?.into();
        let mut reached = Module::new();
        // The depth is limited, because re-exports can refer to each other.
        let mut hops = 0;
        while let Some(word) = open.pop_front() {
            reached.push(word);
            if self.files.contains_key(&reached) {
                continue;
            }
            let name = reached.pop().unwrap_or_default();
            let Some(elsewhere) = self.reexport(&reached, &name).filter(|_| hops < 16) else {
                break;
            };
            hops += 1;
            elsewhere.into_iter().rev().for_each(|word| open.push_front(word));
            reached.clear();
        }
        Some(reached)
    }

    /// The path from the crate root of what `module` re-exports as `name`.
    fn reexport(&self, module: &[String], name: &str) -> Option<Module> {
        let imports = self.files.get(module)?.iter().flat_map(|file| &file.imports);
        let mut public = imports.filter(|import| import.kind == ImportKind::PubUse);
        let found = public.find(|import| import.name == name)?;
        self.absolute(module, &found.path)
    }

    /// Converts `path`, as used in `module`, to a path from the crate root.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let ups = path.iter().take_while(|word| *word == "super").count();
        let (start, rest) = match path.first().map(String::as_str) {
            Some("crate") => (&module[..0], &path[1..]),
            Some("self") => (module, &path[1..]),
            Some("super") => (&module[..module.len().checked_sub(ups)?], &path[ups..]),
            Some(word) => {
                let child: Module = module.iter().cloned().chain([word.to_owned()]).collect();
                (self.files.contains_key(&child).then_some(module)?, path)
            }
            None => return None,
        };
        Some(start.iter().chain(rest).cloned().collect())
    }
}

/// Finds the shortest cycle through each child that is part of one, and leaves out children that an earlier cycle
/// contains.
fn circles(graph: &Graph<'_>) -> Vec<Finding> {
    let mut told = BTreeSet::<&str>::new();
    let mut findings = Vec::new();
    for start in graph.keys() {
        if told.contains(start.as_str()) {
            continue;
        }
        let Some(circle) = shortest_circle(graph, start) else { continue };
        let pairs = circle.iter().zip(circle.iter().cycle().skip(1));
        let edges: Vec<(String, (&str, usize))> =
            pairs.map(|(from, to)| (format!("{from} imports {to}"), graph[*from][*to])).collect();
        let (path, line) = edges[0].1;
        let shown: Vec<String> =
            edges.iter().map(|(edge, (path, line))| format!("{edge} ({path}:{line})")).collect();
        let message = format!(
            "circle of imports: {}: move what they share into a module below them, or into their parent",
            shown.join(", ")
        );
        findings.push(Finding::new(path, line, message));
        told.extend(circle);
    }
    findings
}

/// The children on the shortest cycle through `start`, which comes first.
fn shortest_circle<'g>(graph: &'g Graph<'_>, start: &'g str) -> Option<Vec<&'g str>> {
    let next =
        |from: &str| graph.get(from).into_iter().flat_map(BTreeMap::keys).map(String::as_str);
    let mut came_from = BTreeMap::<&str, &str>::new();
    let mut open = VecDeque::from([start]);
    while let Some(from) = open.pop_front() {
        for to in next(from) {
            if to == start {
                let mut circle = vec![from];
                while let Some(before) = came_from.get(circle[circle.len() - 1]) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(to) {
                came_from.insert(to, from);
                open.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("crates/x/src/{path}"), *text)).collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let end = ": move what they share into a module below them, or into their parent";
        let shorten = |finding: &Finding| {
            let text = finding.message.replace("crates/x/src/", "");
            text.trim_start_matches("circle of imports: ").trim_end_matches(end).to_owned()
        };
        check(&Tree::of(&files)).iter().map(shorten).collect()
    }

    #[test]
    fn two_files_import_each_other() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "\nuse crate::b::B;"),
            ("b.rs", "fn f() { super::a::g() }"),
            ("c.rs", "use crate::{a, b};"),
        ];
        assert_eq!(found(&files), ["a imports b (a.rs:2), b imports a (b.rs:1)"]);
    }

    #[test]
    fn a_file_deep_in_a_folder_counts_for_the_folder() {
        let files = [
            ("lib.rs", ""),
            ("fit.rs", "mod run;\nuse crate::step::Step;"),
            ("fit/run.rs", "use super::Fit;\nuse crate::window::Window;"),
            ("step/mod.rs", ""),
            ("step/one.rs", "use super::Step;"),
            ("window.rs", "use crate::fit::run::Run;"),
        ];
        let expected = "fit imports window (fit/run.rs:2), window imports fit (window.rs:1)";
        assert_eq!(found(&files), [expected]);
        // In `fit`, parent and child use each other, which is allowed.
        assert_eq!(found(&files[..5]), [""; 0]);
    }

    #[test]
    fn names_that_a_parent_re_exports_lead_to_their_file() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub(crate) use b::inner::{B as C};"),
            ("a.rs", "use crate::C;"),
            ("b/mod.rs", "pub mod inner;"),
            ("b/inner.rs", "use crate::A;"),
        ];
        assert_eq!(found(&files), ["a imports b (a.rs:1), b imports a (b/inner.rs:1)"]);
    }

    #[test]
    fn a_circle_of_three_is_told_once() {
        let files = [
            ("lib.rs", ""),
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::{a, d};"),
            ("d.rs", "// use crate::a;\nconst S: &str = \"crate::a\";"),
        ];
        let expected = "a imports b (a.rs:1), b imports c (b.rs:1), c imports a (c.rs:1)";
        assert_eq!(found(&files), [expected]);
    }

    #[test]
    fn what_is_no_circle() {
        // A parent of its own types and of the children that use them, tests, and another crate's module of that name.
        let files = [
            ("lib.rs", "mod a;\npub struct Shared;\npub use a::A;"),
            (
                "a.rs",
                "use super::Shared;\nuse other::b::C;\n#[cfg(test)]\nmod tests { use crate::b; }",
            ),
            ("b.rs", "use crate::a;"),
            ("tests.rs", "use crate::{a, b};"),
            ("engine/main.rs", "mod a;\nmod b;\nuse x::a;"),
            ("engine/a.rs", "use crate::b;\nuse x::b::B;"),
            ("engine/b.rs", ""),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
