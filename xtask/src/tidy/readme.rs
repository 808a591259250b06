//! The two READMEs must have the same headings, and the commands in documents must exist.

use clap::CommandFactory;

use super::Finding;
use super::tree::Tree;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
/// The two commands that a new user starts with.
const FIRST: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known: Vec<_> = crate::Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for path in [ENGLISH, CHINESE] {
        let Some(text) = tree.text(path) else {
            findings.push(Finding::new(path, 0, "is missing"));
            continue;
        };
        for first in FIRST.iter().filter(|first| !text.contains(**first)) {
            findings.push(Finding::new(path, 0, format!("does not mention `{first}`")));
        }
    }
    if let (Some(english), Some(chinese)) = (tree.text(ENGLISH), tree.text(CHINESE))
        && headings(english) != headings(chinese)
    {
        let message = format!("its headings are not those of {ENGLISH}, level by level");
        findings.push(Finding::new(CHINESE, 0, message));
    }
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (line, command) in commands(text) {
            findings.extend(wrong(tree, &known, command).map(|m| Finding::new(path, line, m)));
        }
    }
    findings
}

/// The level of each heading outside code blocks.
fn headings(text: &str) -> Vec<usize> {
    let mut in_code = false;
    let level = |line: &str| {
        in_code ^= line.trim_start().starts_with("```");
        let level = line.chars().take_while(|c| *c == '#').count();
        (!in_code && level > 0 && line[level..].starts_with(' ')).then_some(level)
    };
    text.lines().filter_map(level).collect()
}

/// The commands in ```console and ```sh blocks, with their line numbers.
fn commands(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut block = "";
    for (index, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if !block.is_empty() => block = "",
            Some(language) => block = if language.is_empty() { "text" } else { language.trim() },
            None if block == "console" => {
                found.extend(line.strip_prefix("$ ").map(|command| (index + 1, command)));
            }
            None if block == "sh" => found.push((index + 1, line)),
            None => {}
        }
    }
    found
}

/// Returns what is wrong with `command`, if anything.
fn wrong(tree: &Tree, known: &[String], command: &str) -> Option<String> {
    let words: Vec<_> = command.split_whitespace().collect();
    if let ["cargo", "xtask", name, ..] = words[..]
        && !known.iter().any(|known| known == name)
    {
        return Some(format!("`cargo xtask` has no command {name}"));
    }
    let mut recipes = words.iter().filter(|word| word.starts_with("recipes/"));
    let missing = recipes.find(|recipe| !tree.paths().any(|path| path == **recipe))?;
    Some(format!("there is no {missing}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# A\n\n```console\n$ cargo xtask demo\n# no heading\n$ cargo xtask test\n```\n## B\n";

    fn check_files(english: &str, chinese: &str, expected: &[&str]) {
        let tree = Tree::of(&[(ENGLISH, english), (CHINESE, chinese), ("recipes/a.toml", "")]);
        let found: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn both_say_the_same() {
        check_files(GOOD, GOOD, &[]);
        let message = "README.zh-CN.md: its headings are not those of README.md, level by level";
        check_files(GOOD, &GOOD.replace("## B", "# B"), &[message]);
        let message = "README.zh-CN.md: does not mention `cargo xtask demo`";
        check_files(GOOD, &GOOD.replace("demo", "setup"), &[message]);
        assert_eq!(check(&Tree::of(&[])).len(), 2);
    }

    #[test]
    fn commands_exist() {
        let with = |line: &str| format!("{GOOD}\n```sh\n{line}\n```\n");
        check_files(&with("sst pretrain recipes/a.toml"), GOOD, &[]);
        let message = "README.md:11: there is no recipes/b.toml";
        check_files(&with("sst pretrain recipes/b.toml"), GOOD, &[message]);
        let message = "README.md:11: `cargo xtask` has no command dance";
        check_files(&with("cargo xtask dance"), GOOD, &[message]);
    }
}
