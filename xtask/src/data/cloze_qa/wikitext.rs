//! Takes paragraphs of plain text and their links out of the markup of MediaWiki.
//!
//! Only running text is wanted, so headings, lists, tables, pictures and footnotes are dropped, and paragraphs from
//! which more than a footnote would be missing are left out.

use std::collections::BTreeMap;

use html5gum::{StartTag, Token, Tokenizer};

/// The least length of a paragraph in characters.
const MIN_CHARACTERS: usize = 200;

/// Elements that are dropped with their content and not missed.
const DROPPED: [&[u8]; 6] = [b"ref", b"references", b"gallery", b"table", b"timeline", b"source"];
/// Elements that are dropped with their content, without which a sentence is not whole.
const MISSED: [&[u8]; 4] = [b"math", b"chem", b"score", b"pre"];
/// Templates that show footnotes or remarks of editors: a sentence is whole without them.
const REMARKS: [&str; 25] = [
    "better source",
    "by whom",
    "citation needed",
    "cite",
    "clarify",
    "clear",
    "cn",
    "dubious",
    "efn",
    "fact",
    "failed verification",
    "harv",
    "page needed",
    "refn",
    "rp",
    "sfn",
    "sfnp",
    "specify",
    "unreliable source?",
    "vague",
    "when",
    "where",
    "which",
    "who",
    "#tag:ref",
];
/// Namespaces of links that show no text in the paragraph.
const NAMESPACES: [&str; 4] = ["category", "file", "image", "media"];

/// Marks in a text that is being read: something is missing, an anchor begins, an anchor ends.
const MISSING: char = '\u{e000}';
const BEGIN: char = '\u{e001}';
const END: char = '\u{e002}';

/// A paragraph as plain text, and the anchors of its links in their order, each once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) anchors: Vec<String>,
}

/// The paragraphs of an article, and the number of those that were left out by reason.
#[derive(Debug, Default)]
pub(super) struct Article {
    pub(super) paragraphs: Vec<Paragraph>,
    pub(super) left_out: BTreeMap<&'static str, usize>,
}

/// Reads the text of an article.
pub(super) fn article(markup: &str) -> Article {
    let text = without_elements(markup);
    let mut plain = String::new();
    Cleaner { rest: &text }.clean(&mut plain);
    let mut article = Article::default();
    for line in plain.lines().filter(|line| !line.starts_with(is_layout)) {
        let is_missing = line.contains(MISSING);
        let paragraph = paragraph(line);
        if paragraph.text.chars().count() < MIN_CHARACTERS {
            continue;
        }
        if is_missing {
            *article.left_out.entry("with formulas or templates").or_default() += 1;
        } else {
            article.paragraphs.push(paragraph);
        }
    }
    article
}

/// The characters with which lines begin that are headings, lists, indented, or of tables.
fn is_layout(first: char) -> bool {
    matches!(first, '=' | '*' | '#' | ':' | ';' | '|' | '!' | ' ')
}

/// Drops comments, tags and some elements, and replaces character references.
fn without_elements(markup: &str) -> String {
    let mut text = String::new();
    // The element that is being dropped, and how often it is open.
    let mut dropped: Option<(Vec<u8>, usize)> = None;
    for Ok(token) in Tokenizer::new(markup) {
        match (token, &mut dropped) {
            (Token::StartTag(tag), Some((name, depth))) => {
                *depth += usize::from(!is_empty(&tag) && *tag.name == **name);
            }
            (Token::EndTag(tag), Some((name, depth))) => {
                *depth -= usize::from(*tag.name == **name);
                if *depth == 0 {
                    dropped = None;
                }
            }
            (Token::StartTag(tag), None) => {
                let is_missed = MISSED.contains(&tag.name.as_slice());
                if is_missed {
                    text.push(MISSING);
                }
                let is_dropped = is_missed || DROPPED.contains(&tag.name.as_slice());
                if is_dropped && !is_empty(&tag) {
                    dropped = Some((tag.name.to_vec(), 1));
                }
                if tag.name == b"br" {
                    text.push(' ');
                }
            }
            (Token::String(part), None) => {
                let part = String::from_utf8_lossy(&part);
                text.extend(part.chars().filter(|c| !matches!(*c, MISSING | BEGIN | END)));
            }
            _ => {}
        }
    }
    text
}

/// Whether a tag has no content. In `<ref name=a/>`, HTML takes the slash for a part of the name.
fn is_empty(tag: &StartTag<()>) -> bool {
    tag.self_closing || tag.attributes.values().any(|value| value.ends_with(b"/"))
}

/// Reads markup from left to right.
struct Cleaner<'a> {
    rest: &'a str,
}

impl<'a> Cleaner<'a> {
    /// Adds the plain text of all that is left to `plain`, with marks.
    fn clean(&mut self, plain: &mut String) {
        while let Some(c) = self.rest.chars().next() {
            if let Some(inside) = self.enclosed("{{", "}}") {
                if !is_remark(inside) {
                    plain.push(MISSING);
                }
            } else if let Some(inside) = self.enclosed("[[", "]]") {
                self.link(inside, plain);
            } else if self.enclosed("{|", "|}").is_some() {
                // A table.
            } else if let Some(label) = self.external() {
                Cleaner { rest: label }.clean(plain);
            } else if self.rest.starts_with("''") {
                self.rest = self.rest.trim_start_matches('\'');
            } else {
                plain.push(c);
                self.rest = &self.rest[c.len_utf8()..];
            }
        }
    }

    /// Takes what stands between `open`, if that comes next, and the `close` that belongs to it.
    fn enclosed(&mut self, open: &str, close: &str) -> Option<&'a str> {
        let inside = self.rest.strip_prefix(open)?;
        let (mut depth, mut at) = (1, 0);
        while let Some(next) = inside.get(at..) {
            if let Some(after) = next.strip_prefix(close) {
                depth -= 1;
                if depth == 0 {
                    self.rest = after;
                    return Some(&inside[..at]);
                }
                at += close.len();
            } else if next.starts_with(open) {
                depth += 1;
                at += open.len();
            } else {
                at += next.chars().next()?.len_utf8();
            }
        }
        None
    }

    /// Adds the text of a link inside of Wikipedia, as an anchor. Letters that follow belong to it: `[[year]]s`.
    fn link(&mut self, inside: &str, plain: &mut String) {
        let (target, label) = inside.split_once('|').unwrap_or((inside, inside));
        if let Some((space, _)) = target.split_once(':') {
            let space = space.trim().to_lowercase();
            // Codes of languages have two or three letters, or a hyphen.
            let is_language = space.len() < 4 || space.contains('-');
            if NAMESPACES.contains(&space.as_str()) || (is_language && !space.is_empty()) {
                return;
            }
        }
        plain.push(BEGIN);
        Cleaner { rest: label.trim_start_matches(':') }.clean(plain);
        let end = self.rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(self.rest.len());
        plain.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
        plain.push(END);
    }

    /// Takes a link to another site, if one comes next. Returns its text.
    fn external(&mut self) -> Option<&'a str> {
        let inside = self.rest.strip_prefix('[')?;
        let is_link = ["http://", "https://", "//", "ftp://"].iter().any(|s| inside.starts_with(s));
        let (inside, rest) = inside.split_once(']').filter(|_| is_link)?;
        self.rest = rest;
        Some(inside.split_once(' ').map_or("", |(_, label)| label))
    }
}

/// Whether the template with this inside shows a footnote or a remark.
fn is_remark(inside: &str) -> bool {
    let name = inside.split(['|', '\n']).next().unwrap_or_default().trim().to_lowercase();
    REMARKS.contains(&name.as_str()) || name.starts_with("cite ") || name.starts_with("harv")
}

/// The paragraph of a line with marks. Its white space becomes single spaces.
fn paragraph(line: &str) -> Paragraph {
    let mut paragraph = Paragraph::default();
    let mut anchor: Option<usize> = None;
    for c in line.chars() {
        let text = &mut paragraph.text;
        match c {
            MISSING => {}
            BEGIN => anchor = Some(text.len()),
            END => {
                let label = anchor.take().map(|start| text[start..].trim().to_owned());
                paragraph.anchors.extend(label.filter(|label| !paragraph.anchors.contains(label)));
            }
            c if c.is_whitespace() => {
                if !text.is_empty() && !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            c => text.push(c),
        }
    }
    paragraph.text.truncate(paragraph.text.trim_end().len());
    paragraph
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that makes a paragraph long enough.
    fn filler() -> String {
        "Many words follow. ".repeat(12)
    }

    /// Reads one paragraph, which begins with `markup`.
    fn check(markup: &str, expected: &str, anchors: &[&str]) {
        let article = article(&format!("{markup} {}", filler()));
        let [paragraph] = &article.paragraphs[..] else { panic!("{markup}: {article:?}") };
        let text = paragraph.text.strip_suffix(filler().trim_end()).unwrap().trim_end();
        assert_eq!(text, expected, "{markup}");
        assert_eq!(paragraph.anchors, anchors, "{markup}");
    }

    #[test]
    fn paragraphs_are_text_without_markup() {
        check("'''Bold''' and ''slanted'', '''''both'''''.", "Bold and slanted, both.", &[]);
        check(
            "One<!-- no --> <small>two</small><br />three&nbsp;&ndash; 1 &lt; 2.",
            "One two three – 1 < 2.",
            &[],
        );
        check(
            "A.<ref name=\"x\">[[no]] {{cite|b}}</ref> B.<ref name=x/> C.<ref name=\"x\" />",
            "A. B. C.",
            &[],
        );
        check("A{{Citation needed|date=May {{year}}}} B.{{sfn|C|1999}}", "A B.", &[]);
        check("See [http://a.b/c the page] [http://a.b] or a[1].", "See the page or a[1].", &[]);
        check("{| class\n|-\n| [[cell]]\n|}\nAfter.", "After.", &[]);
        check("An {{open brace, and [[an open link.", "An {{open brace, and [[an open link.", &[]);
    }

    #[test]
    fn anchors_are_what_links_show() {
        check("The [[moon]] and the [[Sun|star]].", "The moon and the star.", &["moon", "star"]);
        check(
            "[[Anarchist]]s and [[state (polity)|state]]less.",
            "Anarchists and stateless.",
            &["Anarchists", "stateless"],
        );
        check("[[Moon]], ''[[Moon]]'', [[''Sun'']].", "Moon, Moon, Sun.", &["Moon", "Sun"]);
        check("[[File:a.png|thumb|A [[cat]] of [[Rome]].]]Text.", "Text.", &[]);
        check(
            "[[Category:Cats]][[de:Katze]][[zh-yue:猫]][[:Category:Cats|cats]].",
            "cats.",
            &["cats"],
        );
        check("[[Dune: Part Two]].", "Dune: Part Two.", &["Dune: Part Two"]);
    }

    #[test]
    fn what_is_no_running_text_is_dropped() {
        let filler = filler();
        let lines =
            ["= H =", "* L", "# N", ": I", "; T", " P", "|x"].map(|l| l.to_owned() + &filler);
        let markup = format!("{}\n\nToo short.\n\n{filler}", lines.join("\n"));
        let found = article(&markup);
        assert_eq!(found.paragraphs.len(), 1);
        assert!(found.left_out.is_empty());
    }

    #[test]
    fn paragraphs_that_lack_something_are_counted() {
        let filler = filler();
        let markup = format!(
            "Where <math>x &lt; y</math> is {filler}\n\nAbout {{{{convert|5|km}}}} long {filler}\n\n{filler}\n\n\
             {{{{Infobox\n| a = b\n}}}}\n<math>alone</math>"
        );
        let found = article(&markup);
        assert_eq!(found.paragraphs.len(), 1);
        assert_eq!(found.left_out.values().sum::<usize>(), 2);
    }
}
