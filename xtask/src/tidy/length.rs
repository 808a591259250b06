//! Files must be small: a warning above 400 lines, an error above 500.

use super::Finding;
use super::tree::Tree;

const LONG: usize = 400;
const TOO_LONG: usize = 500;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let finding = |(path, text): (&str, &str)| {
        let lines = text.lines().count();
        let message = format!("{lines} lines; what two things is it?");
        (lines > LONG)
            .then(|| Finding { is_warning: lines <= TOO_LONG, ..Finding::new(path, 0, message) })
    };
    tree.rust().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(lines: usize, expected: Option<bool>) {
        let found = check(&Tree::of(&[("a.rs", &"x\n".repeat(lines))]));
        assert_eq!(found.first().map(|finding| finding.is_warning), expected, "{lines}");
    }

    #[test]
    fn warns_then_fails() {
        check_lines(400, None);
        check_lines(401, Some(true));
        check_lines(500, Some(true));
        check_lines(501, Some(false));
    }
}
