//! The code blocks of docs/library.md, and the programs that they make up.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// A fenced block of a Markdown document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// The line of its first fence, from 1.
    pub(crate) line: usize,
    /// What stands after the first fence.
    language: &'a str,
    /// The last line before it that is not empty.
    intro: &'a str,
    /// What is between the fences, with a line end after each line.
    pub(crate) text: String,
}

impl<'a> Block<'a> {
    /// The example program that the line before the block links to, by its path in the repository.
    pub(crate) fn example(&self) -> Option<&'a str> {
        let (_, link) = self.intro.split_once("](../")?;
        let (path, _) = link.split_once(')')?;
        (self.language == "rust" && path.contains("/examples/")).then_some(path)
    }

    /// The file that the block is, where the line before it begins with a path such as `` `batches/src/main.rs` ``.
    fn file(&self) -> Option<&'a str> {
        let (path, _) = self.intro.strip_prefix('`')?.split_once('`')?;
        path.contains('/').then_some(path)
    }
}

/// The fenced blocks of `document`, in order.
pub(crate) fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    let mut intro = "";
    for (index, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                open = Some(Block { line: index + 1, language, intro, text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) if !line.trim().is_empty() => intro = line,
            (None, None) => {}
        }
    }
    blocks
}

/// A package of the document: its files, how it is run, and what it then prints.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The name of its folder and of its binary.
    pub(super) name: String,
    /// Each path in the folder with its text.
    pub(super) files: Vec<(PathBuf, String)>,
    /// The arguments after `cargo run --`.
    pub(super) args: Vec<String>,
    /// What is shown after that command; `...` stands for any text.
    pub(super) output: String,
}

/// The packages of `document`. A `console` block that begins with `$ cd NAME` says how the package is run.
pub(super) fn programs(document: &str) -> Result<Vec<Program>> {
    let blocks = blocks(document);
    let mut programs: Vec<Program> = Vec::new();
    for block in blocks.iter() {
        let Some((name, path)) = block.file().and_then(|path| path.split_once('/')) else {
            continue;
        };
        if programs.iter().all(|program| program.name != name) {
            programs.push(program(name, &blocks)?);
        }
        if let Some(program) = programs.iter_mut().find(|program| program.name == name) {
            program.files.push((path.into(), block.text.clone()));
        }
    }
    Ok(programs)
}

/// The package `name`, as yet without files.
fn program(name: &str, blocks: &[Block<'_>]) -> Result<Program> {
    let start = format!("$ cd {name}\n");
    let block = blocks.iter().find(|block| block.text.starts_with(&start));
    let block = block.with_context(|| format!("no console block begins with `$ cd {name}`"))?;
    let (_, run) = block
        .text
        .split_once("$ cargo run -- ")
        .with_context(|| format!("the block in line {} has no `$ cargo run -- `", block.line))?;
    let (args, output) = run.split_once('\n').unwrap_or((run, ""));
    ensure!(
        !output.trim().is_empty() && !output.contains("$ "),
        "the block in line {} must end with what `cargo run` prints",
        block.line
    );
    Ok(Program {
        name: name.to_owned(),
        files: Vec::new(),
        args: args.split_whitespace().map(str::to_owned).collect(),
        output: output.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# A\n\n`one/src/main.rs`, which is\n[main](../crates/a/examples/main.rs):\n\n\
        ```rust\nfn main() {}\n\n// end\n```\n\n`one/Cargo.toml`:\n```toml\n[package]\n```\n\nRun it:\n\n\
        ```console\n$ cd one\n$ cargo run -- a ../sst/b\n2 steps\n...\n```\n";

    #[test]
    fn blocks_know_their_line_and_what_stands_before() {
        let found = blocks(DOCUMENT);
        let lines: Vec<_> = found.iter().map(|block| block.line).collect();
        assert_eq!(lines, [6, 13, 19]);
        assert_eq!(found[0].example(), Some("crates/a/examples/main.rs"));
        assert_eq!(found[0].text, "fn main() {}\n\n// end\n");
        assert_eq!(found[1].example(), None);
        assert_eq!((found[0].file(), found[1].file()), (None, Some("one/Cargo.toml")));
    }

    #[test]
    fn programs_have_files_arguments_and_output() {
        let found = programs(DOCUMENT).unwrap();
        let expected = Program {
            name: "one".to_owned(),
            files: vec![("Cargo.toml".into(), "[package]\n".to_owned())],
            args: vec!["a".to_owned(), "../sst/b".to_owned()],
            output: "2 steps\n...\n".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_package_must_say_how_it_is_run_and_what_it_prints() {
        let error = |document: &str| programs(document).unwrap_err().to_string();
        assert!(error(&DOCUMENT.replace("cd one", "cd two")).contains("`$ cd one`"));
        assert!(error(&DOCUMENT.replace("run --", "run")).contains("line 19 has no"));
        assert!(error(&DOCUMENT.replace("2 steps\n...\n", "")).contains("must end with what"));
    }
}
