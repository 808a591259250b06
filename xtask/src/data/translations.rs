//! Pairs of paragraphs of the LibreOffice help in English and Chinese.
//!
//! The pages of both languages are generated from one source, so a paragraph has the same page and `id` in both.
//! Untranslated paragraphs are English in the Chinese pages too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use html5gum::{HtmlString, StartTag, Token, Tokenizer};

use super::pairs::{Pairs, Part};
use crate::archive::Take;
use crate::debian::Package;
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "translations",
    about: "English and Chinese: paragraphs of LibreOffice's help, about 24 k pairs",
    license: "MPL-2.0",
    warning: None,
    origin: Origin::Made {
        source: Source::Debian(&[
            Package {
                name: "libreoffice-help-en-us",
                takes: &[Take { from: "usr/share/libreoffice/help/en-US/text/", to: ENGLISH }],
            },
            Package {
                name: "libreoffice-help-zh-cn",
                takes: &[Take { from: "usr/share/libreoffice/help/zh-CN/text/", to: CHINESE }],
            },
        ]),
        megabytes: 5.2,
        maker: Maker { version: 1, make },
    },
};

/// The folders of the pages among the extracted files.
const ENGLISH: &str = "en/";
const CHINESE: &str = "zh/";

/// Every n-th page is for tests.
const TESTED: usize = 10;

/// Writes train.jsonl and test.jsonl with the fields `en` and `zh`.
fn make(making: &Making<'_>) -> Result<()> {
    let mut pairs = Pairs::default();
    let english = making.taken.join(ENGLISH);
    for (number, page) in (1_usize..).zip(pages(&english)?) {
        let part = if number.is_multiple_of(TESTED) { Part::Test } else { Part::Train };
        let other = making.taken.join(CHINESE).join(&page);
        let other = if other.is_file() { read(&other)? } else { Vec::new() };
        pair(&read(&english.join(&page))?, &other, part, &mut pairs);
    }
    pairs.write(making.into, ["en", "zh"])
}

/// The pages below `folder`, sorted.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Adds the pairs of a page in both languages.
fn pair(english: &[u8], chinese: &[u8], part: Part, pairs: &mut Pairs) {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, text) in paragraphs(chinese) {
        places.entry(id).or_default().push(text);
    }
    let english = paragraphs(english);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    english.iter().for_each(|(id, _)| *counts.entry(id).or_default() += 1);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, text) in &english {
        let place = seen.entry(id).or_default();
        let other = match places.get(id) {
            // An id can occur again if a page quotes another one.
            Some(others) if others.len() == counts[id.as_str()] => &others[*place],
            _ => {
                pairs.leave_out("that are not in both languages", 1);
                continue;
            }
        };
        *place += 1;
        if text.is_empty() || other.is_empty() {
            pairs.leave_out("without a text", 1);
        } else if !other.contains(is_han) {
            pairs.leave_out("that nobody translated", 1);
        } else {
            pairs.add(part, [text.clone(), other.clone()]);
        }
    }
}

/// Han characters of the basic block and its first extension.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// The id and the text of each paragraph and heading that has an id, in the order of the page.
fn paragraphs(page: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    // The nesting depth within a part for another operating system.
    let mut hidden = 0_usize;
    for Ok(token) in Tokenizer::new(page) {
        match token {
            Token::StartTag(tag) if is_paragraph(&tag.name) => {
                open = attribute(&tag, b"id").map(|id| (id, String::new()));
                hidden = 0;
            }
            Token::StartTag(tag) if tag.name == b"span" => {
                hidden += usize::from(hidden > 0 || is_for_others(&tag));
            }
            Token::StartTag(tag) if tag.name == b"br" => {
                open.iter_mut().for_each(|(_, text)| text.push(' '));
            }
            Token::String(part) if hidden == 0 => {
                let part = String::from_utf8_lossy(&part);
                open.iter_mut().for_each(|(_, text)| text.push_str(&part));
            }
            Token::EndTag(tag) if tag.name == b"span" => hidden = hidden.saturating_sub(1),
            Token::EndTag(tag) if is_paragraph(&tag.name) => {
                found.extend(open.take().map(|(id, text)| (id, one_line(&text))));
            }
            _ => {}
        }
    }
    found
}

fn is_paragraph(name: &HtmlString) -> bool {
    matches!(name.as_slice(), b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6")
}

/// Variants for macOS or for Calc are hidden next to the default text.
fn is_for_others(tag: &StartTag<()>) -> bool {
    let is_default = attribute(tag, b"id").is_some_and(|id| id.starts_with("default"));
    attribute(tag, b"hidden").is_some() && !is_default
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Replaces every run of white space by one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(page: &str) -> Vec<String> {
        let found = paragraphs(page.as_bytes());
        found.into_iter().map(|(id, text)| format!("{id}: {text}")).collect()
    }

    #[test]
    fn paragraphs_are_text_without_markup() {
        let page = "<html><title>no</title><p>no id</p><div>outside\n\
            <h1 id=\"hd_1\" dir=\"auto\"><a name=\"x\"></a>Sizes &amp; <a href=\"y\">Shapes</a>\n</h1>\n\
            <p id=\"par_2\" class=\"paragraph\">a &lt; b,<br>then\u{a0}<span class=\"emph\">c</span>.</p>\n\
            <p id='par_3'>cut <!-- <p id=\"no\">x</p> --> off</div>";
        assert_eq!(texts(page), ["hd_1: Sizes & Shapes", "par_2: a < b, then c."]);
    }

    #[test]
    fn of_what_is_said_in_several_ways_the_default_is_read() {
        let page = "<p id=\"a\">Press <span id=\"s\" class=\"switchinline\">\
            <span hidden=\"true\" id=\"MACx\" class=\"MAC\"><span class=\"k\">Command</span>!</span>\
            <span hidden=\"true\" id=\"defaultx\"><span class=\"k\">Ctrl</span></span></span>+C.</p>";
        assert_eq!(texts(page), ["a: Press Ctrl+C."]);
    }

    #[test]
    fn paragraphs_meet_by_id_and_place() {
        let english = "<p id=\"a\">One.</p><p id=\"b\">Two.</p><p id=\"b\">Three.</p>\
            <p id=\"c\">Four.</p><p id=\"d\">Five.</p><p id=\"d\">Six.</p><p id=\"e\">Seven</p>\
            <p id=\"f\"> </p>";
        let chinese = "<p id=\"b\">二。</p><p id=\"b\">三。</p><p id=\"a\">一。</p>\
            <p id=\"c\">Four.</p><p id=\"d\">五。</p><p id=\"f\">八</p>";
        let mut pairs = Pairs::default();
        pair(english.as_bytes(), chinese.as_bytes(), Part::Train, &mut pairs);
        // Of the rest one is not translated, three are not in both as often, and one has no text.
        let test = "<p id=\"x\">Nine.</p>";
        pair(test.as_bytes(), test.replace("Nine.", "九").as_bytes(), Part::Test, &mut pairs);
        let dir = tempfile::tempdir().unwrap();
        pairs.write(dir.path(), ["en", "zh"]).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("train.jsonl")).unwrap(),
            "{\"en\":\"One.\",\"zh\":\"一。\"}\n{\"en\":\"Two.\",\"zh\":\"二。\"}\n\
             {\"en\":\"Three.\",\"zh\":\"三。\"}\n"
        );
        let test = fs::read_to_string(dir.path().join("test.jsonl")).unwrap();
        assert_eq!(test, "{\"en\":\"Nine.\",\"zh\":\"九\"}\n");
    }

    #[test]
    fn every_tenth_page_is_for_tests() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| dir.path().join(name);
        for number in 1..=20 {
            for (language, text) in [(ENGLISH, "Page"), (CHINESE, "页")] {
                let page = folder(language).join(format!("a{}/{number:02}.html", number % 3));
                fs::create_dir_all(page.parent().unwrap()).unwrap();
                fs::write(page, format!("<p id=\"p\">{text} {number}</p>")).unwrap();
            }
        }
        fs::create_dir(folder("into")).unwrap();
        let making = Making { root: dir.path(), taken: dir.path(), into: &folder("into") };
        make(&making).unwrap();
        let lines =
            |name: &str| fs::read_to_string(folder("into").join(name)).unwrap().lines().count();
        assert_eq!((lines("train.jsonl"), lines("test.jsonl")), (18, 2));
    }
}
