//! Reads the articles of a dump of Wikipedia: XML, compressed with bzip2.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use html5gum::{Token, Tokenizer};

/// The number of the namespace of articles.
const ARTICLES: &str = "0";

/// An article.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) title: String,
    /// Its text with the markup of MediaWiki.
    pub(super) text: String,
}

/// Decompresses the dump.
pub(super) fn read(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut dump = String::new();
    bzip2_rs::DecoderReader::new(file)
        .read_to_string(&mut dump)
        .with_context(|| format!("cannot decompress {}", path.display()))?;
    Ok(dump)
}

/// The articles in their order, without redirects and without pages of other namespaces.
pub(super) fn pages(dump: &str) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut page = Page::default();
    let mut namespace = String::new();
    let mut is_redirect = false;
    let mut element = Vec::new();
    for Ok(token) in Tokenizer::new(dump) {
        match token {
            Token::StartTag(tag) => {
                if tag.name == b"page" {
                    page = Page::default();
                    namespace.clear();
                    is_redirect = false;
                }
                is_redirect |= tag.name == b"redirect";
                element = tag.name.to_vec();
            }
            Token::String(part) => {
                let part = String::from_utf8_lossy(&part);
                match element.as_slice() {
                    b"title" => page.title.push_str(&part),
                    b"ns" => namespace.push_str(&part),
                    b"text" => page.text.push_str(&part),
                    _ => {}
                }
            }
            Token::EndTag(tag) => {
                element.clear();
                if tag.name == b"page" && namespace == ARTICLES && !is_redirect {
                    pages.push(std::mem::take(&mut page));
                }
            }
            _ => {}
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn articles_are_found_and_nothing_else() {
        let dump = "<mediawiki><siteinfo><sitename>W</sitename></siteinfo>\n\
            <page><title>A &amp; B</title><ns>0</ns><id>1</id><revision>\n\
            <comment>no</comment><text xml:space=\"preserve\">x &lt;ref&gt;y&lt;/ref&gt;\n\n\
            a&amp;nbsp;b</text><sha1>no</sha1></revision></page>\n\
            <page><title>R</title><ns>0</ns><redirect title=\"A\" /><text>#REDIRECT</text></page>\n\
            <page><title>W:T</title><ns>4</ns><text>t</text></page>\n\
            <page><title>C</title><ns>0</ns><text xml:space=\"preserve\" /></page></mediawiki>";
        let page = |title: &str, text: &str| Page { title: title.into(), text: text.into() };
        assert_eq!(pages(dump), [page("A & B", "x <ref>y</ref>\n\na&nbsp;b"), page("C", "")]);
    }

    /// `<page/>` and a newline, compressed by bzip2 1.0.8.
    const COMPRESSED: &[u8] =
        b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xe6\xbb\x74\x5d\x00\x00\x01\x59\x80\x00\x10\x00\
        \x00\x80\x05\x22\x80\x40\x00\x20\x00\x22\x1a\x68\x7a\x10\xc0\x87\xd8\xc0\x20\xbb\x92\x29\
        \xc2\x84\x87\x35\xdb\xa2\xe8";

    #[test]
    fn what_is_not_bzip2_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bz2");
        fs::write(&path, COMPRESSED).unwrap();
        assert_eq!(read(&path).unwrap(), "<page/>\n");
        fs::write(&path, &COMPRESSED[..COMPRESSED.len() - 8]).unwrap();
        assert!(read(&path).is_err());
        fs::write(&path, "<page/>").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.starts_with("cannot decompress"), "{error}");
    }
}
