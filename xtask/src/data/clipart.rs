//! Drawings of the Open Clip Art Library. A PNG file has an SVG file beside it whose metadata hold the title and the
//! keywords; the first folder of its path is the label.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use html5gum::{Token, Tokenizer};

use super::pictures::{self, Captioned, Pictures};
use crate::archive::Take;
use crate::debian::Package;
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "clipart",
    about: "pictures: about 6,900 drawings, 3,000 with English titles and keywords, 22 labels",
    license: "public domain",
    warning: None,
    origin: Origin::Made {
        source: Source::Debian(&[
            Package {
                name: "openclipart-png",
                takes: &[Take { from: "usr/share/openclipart/png/", to: "png/" }],
            },
            Package {
                name: "openclipart-svg",
                takes: &[Take { from: "usr/share/openclipart/svg/", to: "svg/" }],
            },
        ]),
        megabytes: 155.8,
        maker: Maker { version: 1, make },
    },
};

/// Larger pictures are left out: a handful of drawings have up to 230 million pixels.
const MAX_PIXELS: u64 = 16_000_000;

/// A title of more pictures than this is the name of a collection, such as "Etiquette Icons", and no caption.
const MAX_PICTURES_OF_A_TITLE: usize = 10;

/// The files of pictures with captions, and of the others.
const WITH: [&str; 2] = ["train", "test"];
const WITHOUT: [&str; 2] = ["train-without-captions", "test-without-captions"];

/// Writes the pictures and JSON lines with the fields `image`, `en`, `en_captions` and `label`.
fn make(making: &Making<'_>) -> Result<()> {
    let (png, svg) = (making.taken.join("png"), making.taken.join("svg"));
    let (mut collected, mut found) = (Pictures::default(), Vec::new());
    for path in pictures::files(&png, "png")? {
        let file = png.join(&path);
        let Some(label) = pictures::label(&path).map(|label| label.replace('_', " ")) else {
            collected.leave_out("outside of the folders of subjects");
            continue;
        };
        match pixels(&file)? {
            None => {
                collected.leave_out("that are no PNG files");
                continue;
            }
            Some(pixels) if pixels > MAX_PIXELS => {
                collected.leave_out("of more than 16 million pixels");
                continue;
            }
            Some(_) => {}
        }
        let twin = svg.join(&path).with_extension("svg");
        if !twin.is_file() {
            collected.leave_out("without an SVG file of their own");
            continue;
        }
        let text = fs::read(&twin).with_context(|| format!("cannot read {}", twin.display()))?;
        found.push((file, path, label, Metadata::read(&text)));
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, _, metadata) in &found {
        *counts.entry(metadata.title.to_lowercase()).or_default() += 1;
    }
    let (mut untitled, mut of_collections) = (0, 0);
    for (file, path, label, metadata) in found {
        let is_name = counts[&metadata.title.to_lowercase()] > MAX_PICTURES_OF_A_TITLE;
        let captions = metadata.captions();
        untitled += usize::from(captions.is_none());
        of_collections += usize::from(captions.is_some() && is_name);
        let group = captions.is_some().then(|| metadata.title.clone());
        let (captions, names) = match captions.filter(|_| !is_name) {
            Some(captions) => (vec![("en", vec![metadata.title]), ("en_captions", captions)], WITH),
            None => (Vec::new(), WITHOUT),
        };
        collected.add(Captioned { file, path, label, captions, group, names });
    }
    eprintln!(
        "without captions: {untitled} pictures that have no title, and {of_collections} whose title stands \
         for more than {MAX_PICTURES_OF_A_TITLE} pictures"
    );
    collected.write(making.into)
}

/// The number of pixels that the header of a PNG file states; `None` if it is another file.
fn pixels(path: &Path) -> Result<Option<u64>> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut header = [0_u8; 24];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(None);
    }
    let side = |at: usize| header[at..at + 4].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Ok(Some(side(16) * side(20)))
}

/// The description of a drawing in its SVG file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metadata {
    title: String,
    keywords: Vec<String>,
}

impl Metadata {
    /// Reads the element `rdf:RDF`. The titles of authors and publishers are their names, and are not read.
    fn read(svg: &[u8]) -> Self {
        let text = String::from_utf8_lossy(svg);
        let start = text.find("<rdf:RDF").unwrap_or(text.len());
        let end = text[start..].find("</rdf:RDF").map_or(text.len(), |length| start + length);
        let mut found = Self::default();
        let mut agents = 0_usize;
        let mut open: Option<String> = None;
        for Ok(token) in Tokenizer::new(&text[start..end]) {
            match token {
                Token::StartTag(tag) if !tag.self_closing => match tag.name.as_slice() {
                    b"cc:agent" => agents += 1,
                    b"dc:title" | b"rdf:li" if agents == 0 => open = Some(String::new()),
                    _ => {}
                },
                Token::String(part) => {
                    if let Some(text) = &mut open {
                        text.push_str(&String::from_utf8_lossy(&part));
                    }
                }
                Token::EndTag(tag) => match tag.name.as_slice() {
                    b"cc:agent" => agents = agents.saturating_sub(1),
                    b"dc:title" => {
                        let title = pictures::one_line(&open.take().unwrap_or_default());
                        if found.title.is_empty() {
                            found.title = title;
                        }
                    }
                    b"rdf:li" => {
                        let keyword = open.take().unwrap_or_default().replace('_', " ");
                        found.keywords.push(pictures::one_line(&keyword));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        found
    }

    /// The title with the keywords that say something new, and the title alone; `None` without a title.
    fn captions(&self) -> Option<Vec<String>> {
        if !self.title.contains(char::is_alphanumeric) {
            return None;
        }
        let mut seen = HashSet::from([self.title.to_lowercase(), String::new()]);
        let mut long = self.title.clone();
        for keyword in &self.keywords {
            // Some program has written the address of a list in memory instead of what is in it.
            let is_address = keyword.eq_ignore_ascii_case("hash")
                || keyword.to_lowercase().starts_with("hash(0x");
            if !is_address && seen.insert(keyword.to_lowercase()) {
                long = format!("{long}, {keyword}");
            }
        }
        let mut captions = vec![long, self.title.clone()];
        captions.dedup();
        Some(captions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pictures::tests::lines;

    const SVG: &str = "<?xml version=\"1.0\"?><svg><title>no</title><metadata><rdf:RDF><cc:Work rdf:about=\"\">
        <dc:title>Salt &amp; pepper</dc:title><dc:creator><cc:Agent><dc:title>Ann</dc:title></cc:Agent></dc:creator>
        <dc:subject><rdf:Bag><rdf:li></rdf:li><rdf:li>table_ware</rdf:li><rdf:li>Food</rdf:li><rdf:li>HASH(0x8a0)</rdf:li><rdf:li>hash</rdf:li><rdf:li>food</rdf:li>
        <rdf:li/></rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata><text><rdf:li>no</rdf:li></text></svg>";

    fn check(svg: &str, expected: Option<&[&str]>) {
        let expected: Option<Vec<String>> =
            expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(Metadata::read(svg.as_bytes()).captions(), expected, "{svg}");
    }

    #[test]
    fn captions_of_a_drawing() {
        check(SVG, Some(&["Salt & pepper, table ware, Food", "Salt & pepper"]));
        let without = SVG.replace("Salt &amp; pepper", " ");
        check(&without, None);
        check("<svg/>", None);
        check("<rdf:RDF><dc:title>Sun</dc:title>", Some(&["Sun"]));
        check("<rdf:RDF><dc:title>?</dc:title>", None);
    }

    /// The beginning of a PNG file of this size; `number` makes it another one.
    fn png(width: u32, height: u32, number: u32) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        [width, height, number].iter().for_each(|value| file.extend(value.to_be_bytes()));
        file
    }

    #[test]
    fn drawings_meet_their_svg_files() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["png/signs_and_more", "svg/signs_and_more", "into"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let put = |name: String, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        for number in 0..60 {
            put(format!("png/signs_and_more/{number}.png"), &png(10, 10, number));
            let svg = SVG.replace("Salt", &format!("Salt {number}"));
            put(format!("svg/signs_and_more/{number}.svg"), svg.as_bytes());
        }
        for number in 100..111 {
            put(format!("png/signs_and_more/{number}.png"), &png(10, 10, number));
            put(format!("svg/signs_and_more/{number}.svg"), SVG.as_bytes());
        }
        put("png/signs_and_more/untitled.png".to_owned(), &png(10, 10, 111));
        put("svg/signs_and_more/untitled.svg".to_owned(), b"<svg/>");
        put("png/signs_and_more/large.png".to_owned(), &png(10_000, 10_000, 0));
        put("svg/signs_and_more/large.svg".to_owned(), SVG.as_bytes());
        put("png/signs_and_more/text.png".to_owned(), b"a text that is long enough");
        put("png/signs_and_more/alone.png".to_owned(), &png(10, 10, 99));
        let into = dir.path().join("into");
        make(&Making { root: dir.path(), taken: dir.path(), into: &into }).unwrap();
        let of = |names: [&str; 2]| names.map(|name| lines(&into, &format!("{name}.jsonl")));
        // A title of eleven pictures is no caption, and all of them are in one part.
        let others = of(WITHOUT);
        assert_eq!(others.concat().len(), 12);
        assert!(others.iter().any(|part| part.len() >= 11));
        assert!(others.concat().iter().all(|line| line["en"].is_null()));
        let all = of(WITH).concat();
        assert_eq!(all.len(), 60);
        assert!(all.iter().all(|line| line["label"] == "signs and more"));
        let image = "pictures/signs_and_more/7.png";
        let line = all.iter().find(|line| line["image"] == image).unwrap();
        assert_eq!(line["en"], "Salt 7 & pepper");
        assert_eq!(line["en_captions"][0], "Salt 7 & pepper, table ware, Food");
        assert!(into.join(image).is_file());
    }
}
