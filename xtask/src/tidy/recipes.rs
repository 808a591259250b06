//! Every recipe must be valid TOML. Other tests check the keys.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let recipes = tree.texts().filter(|(path, _)| path.starts_with("recipes/"));
    let recipes = recipes.filter(|(path, _)| path.ends_with(".toml"));
    recipes
        .filter_map(|(path, text)| Some(finding(path, text, text.parse::<toml::Table>().err()?)))
        .collect()
}

fn finding(path: &str, text: &str, error: toml::de::Error) -> Finding {
    let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
    Finding::new(path, line, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_recipes() {
        let tree = Tree::of(&[
            ("recipes/good.toml", "[run]\nseed = 1\n"),
            ("recipes/twice.toml", "[run]\nseed = 1\nseed = 2\n"),
            ("recipes/README.md", "not TOML"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("recipes/twice.toml", 3));
    }
}
