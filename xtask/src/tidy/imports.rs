//! Extracts the paths that a Rust file imports or uses from its text.

/// A path such as `crate::store::Store`, or `loader::Loader` in a `use` of the parent of `loader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// The line of the first word of the whole `use` tree, counted from 1.
    pub(super) line: usize,
    /// The words between `::`. The last is `*` for a glob. A final `self` is left out.
    pub(super) path: Vec<String>,
    /// The name that the path is imported as: its last word, or the word after `as`.
    pub(super) name: String,
    pub(super) kind: ImportKind,
}

/// The kind of place where a path occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportKind {
    /// In `use`.
    Use,
    /// In `pub use` or `pub(...) use`.
    PubUse,
    /// In other code. Such a path starts with `crate`, `self` or `super`.
    Code,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `::`
    Separator,
    Other(char),
}

/// Returns every path in `use` declarations, and all others that start with `crate`, `self` or `super`. `code` is the
/// output of `rust_text::code`: the file without comments and literals.
pub(super) fn imports(code: &str) -> Vec<Import> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let (token, line) = tokens[i];
        let follows = |other: Token<'_>| i > 0 && tokens[i - 1].0 == other;
        let (kind, start) = match token {
            Token::Word("use") => (use_kind(&tokens[..i]), i + 1),
            Token::Word("crate" | "self" | "super")
                if tokens.get(i + 1).is_some_and(|next| next.0 == Token::Separator)
                    && !follows(Token::Separator)
                    && !follows(Token::Other('$')) =>
            {
                (ImportKind::Code, i)
            }
            _ => {
                i += 1;
                continue;
            }
        };
        let mut leaves = Vec::new();
        i = read_tree(&tokens, start, &[], &mut leaves).max(i + 1);
        for (mut path, name) in leaves {
            if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
                path.pop();
            }
            let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
            found.push(Import { line, path, name, kind });
        }
    }
    found
}

/// Whether the tokens before `use` make it public.
fn use_kind(before: &[(Token<'_>, usize)]) -> ImportKind {
    let end = match before.last() {
        Some((Token::Other(')'), _)) => {
            before.iter().rposition(|token| token.0 == Token::Other('(')).unwrap_or(0)
        }
        _ => before.len(),
    };
    match before[..end].last() {
        Some((Token::Word("pub"), _)) => ImportKind::PubUse,
        _ => ImportKind::Use,
    }
}

/// Parses the `use` tree that starts at token `i`, such as `a::{b, c::{self, d as e}}`, and returns the index after
/// it. Each leaf is a path and the word after its `as`.
fn read_tree(
    tokens: &[(Token<'_>, usize)],
    mut i: usize,
    prefix: &[String],
    leaves: &mut Vec<(Vec<String>, Option<String>)>,
) -> usize {
    let token = |i: usize| tokens.get(i).map(|token| token.0);
    let mut path = prefix.to_vec();
    loop {
        match token(i) {
            Some(Token::Other('{')) => {
                i += 1;
                while !matches!(token(i), None | Some(Token::Other('}'))) {
                    let end = read_tree(tokens, i, &path, leaves);
                    // Tokens that do not belong to a path are skipped, so that the loop ends.
                    i = if end == i { i + 1 } else { end };
                }
                return i + 1;
            }
            Some(Token::Other('*')) => {
                path.push("*".to_owned());
                leaves.push((path, None));
                return i + 1;
            }
            Some(Token::Word(word)) => {
                path.push(word.to_owned());
                i += 1;
            }
            _ => break,
        }
        match (token(i), token(i + 1)) {
            // A turbofish ends the path.
            (Some(Token::Separator), Some(Token::Other('<'))) => break,
            (Some(Token::Separator), _) => i += 1,
            (Some(Token::Word("as")), Some(Token::Word(name))) => {
                leaves.push((path, Some(name.to_owned())));
                return i + 2;
            }
            _ => break,
        }
    }
    if path.len() > prefix.len() {
        leaves.push((path, None));
    }
    i
}

/// Splits into words, `::` and single characters, with their lines.
fn tokens(code: &str) -> Vec<(Token<'_>, usize)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut rest, mut line, mut tokens) = (code, 1, Vec::new());
    while let Some(first) = rest.chars().next() {
        let length = if is_name(first) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push((Token::Word(&rest[..end]), line));
            end
        } else if rest.starts_with("::") {
            tokens.push((Token::Separator, line));
            2
        } else {
            line += usize::from(first == '\n');
            if !first.is_whitespace() {
                tokens.push((Token::Other(first), line));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: &[&str]) {
        let found = imports(code);
        let shown = |import: &Import| {
            let Import { line, path, name, kind } = import;
            format!("{line} {kind:?} {} as {name}", path.join("::"))
        };
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "{code}");
    }

    #[test]
    fn paths_of_use_declarations() {
        check("use a::b;", &["1 Use a::b as b"]);
        check(
            "\nuse crate::a::{self, b as c,\n d::{E, F},};",
            &[
                "2 Use crate::a as a",
                "2 Use crate::a::b as c",
                "2 Use crate::a::d::E as E",
                "2 Use crate::a::d::F as F",
            ],
        );
        check("pub use a::B;", &["1 PubUse a::B as B"]);
        check("pub(in crate::x) use a::*;", &["1 Code crate::x as x", "1 PubUse a::* as *"]);
        check("fn f() { use super::g; }", &["1 Use super::g as g"]);
        check("fn f<'a>() -> impl Sized + use<'a> {}", &[]);
        check("use super::{", &[]);
    }

    #[test]
    fn paths_in_other_code() {
        check(
            "fn f() -> crate::Result { super::g::<u8>(crate::a::B { c }) }",
            &["1 Code crate::Result as Result", "1 Code super::g as g", "1 Code crate::a::B as B"],
        );
        check("pub(crate) fn f(self) { self.g(); $crate::h(); Self::i(); other::self_::j() }", &[]);
        check("x as u8 + self::A as u8", &["1 Code self::A as u8"]);
    }
}
