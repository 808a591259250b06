//! `cargo xtask tidy`: the rules of the repository, one per file.
//!
//! A rule is a function that takes the tree of files and returns findings. To add a rule, add a file here and a line
//! in [`RULES`].

mod circles;
mod goldens;
mod imports;
mod layering;
mod length;
mod library;
mod machine_paths;
mod module_docs;
mod objective_names;
mod pins;
mod printing;
mod readme;
mod recipe_keys;
mod recipes;
mod rust_text;
mod tree;
mod unfinished;
mod unsafe_code;
mod whitespace;

use std::fmt;

use anyhow::{Result, bail};

use crate::repo::Repo;
use tree::Tree;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    /// The line, counted from 1; 0 stands for the whole file.
    line: usize,
    message: String,
    /// A warning, which does not fail the check.
    is_warning: bool,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), is_warning: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_warning { "warning: " } else { "" };
        match self.line {
            0 => write!(f, "{}: {word}{}", self.path, self.message),
            line => write!(f, "{}:{line}: {word}{}", self.path, self.message),
        }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule, by name.
const RULES: [(&str, Rule); 16] = [
    ("circles", circles::check),
    ("goldens", goldens::check),
    ("layering", layering::check),
    ("length", length::check),
    ("library", library::check),
    ("machine_paths", machine_paths::check),
    ("module_docs", module_docs::check),
    ("objective_names", objective_names::check),
    ("pins", pins::check),
    ("printing", printing::check),
    ("readme", readme::check),
    ("recipe_keys", recipe_keys::check),
    ("recipes", recipes::check),
    ("unfinished", unfinished::check),
    ("unsafe_code", unsafe_code::check),
    ("whitespace", whitespace::check),
];

/// Applies every rule to the repository and prints the findings.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let tree = Tree::load(repo.root())?;
    let mut failures = 0;
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            failures += usize::from(!finding.is_warning);
            eprintln!("{finding} [{name}]");
        }
    }
    if failures > 0 {
        bail!("tidy found {failures} things to put right");
    }
    eprintln!("tidy: {} files, {} rules, nothing to put right", tree.len(), RULES.len());
    Ok(())
}
