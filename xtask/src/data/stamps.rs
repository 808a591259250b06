//! The stamps of the drawing program Tux Paint: photographs and drawings, each with a sentence in English and mostly in
//! Chinese, in a folder for each subject.

use std::fs;

use anyhow::{Context, Result};

use super::pictures::{self, Captioned, Pictures};
use super::translations::is_han;
use crate::archive::Take;
use crate::debian::Package;
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "stamps",
    about: "pictures: about 780 stamps of Tux Paint with captions in English and Chinese, 16 labels",
    license: "GPL-2.0-or-later",
    warning: None,
    origin: Origin::Made {
        source: Source::Debian(&[Package {
            name: "tuxpaint-stamps-default",
            takes: &[Take { from: "usr/share/tuxpaint/stamps/", to: "stamps/" }],
        }]),
        megabytes: 160.9,
        maker: Maker { version: 1, make },
    },
};

/// The mark of the line with the Chinese caption. The first line of a file is the English one.
const CHINESE: &str = "zh_CN.utf8=";

/// The files of pictures with captions in both languages, and of those with an English one only.
const BOTH: [&str; 2] = ["train", "test"];
const ENGLISH: [&str; 2] = ["train-english", "test-english"];

/// Writes the pictures and JSON lines with the fields `image`, `en`, `zh` and `label`.
fn make(making: &Making<'_>) -> Result<()> {
    let folder = making.taken.join("stamps");
    let mut collected = Pictures::default();
    for path in pictures::files(&folder, "svg")? {
        // Of some there is a PNG file, too.
        if !folder.join(&path).with_extension("png").is_file() {
            collected.leave_out("that are SVG files");
        }
    }
    for path in pictures::files(&folder, "png")? {
        let file = folder.join(&path);
        let text = file.with_extension("txt");
        let Some(label) = pictures::label(&path).map(str::to_owned) else {
            collected.leave_out("outside of the folders of subjects");
            continue;
        };
        if !text.is_file() {
            // They are mirrored versions of other stamps.
            collected.leave_out("without a file of captions");
            continue;
        }
        let text =
            fs::read_to_string(&text).with_context(|| format!("cannot read {}", text.display()))?;
        let (english, chinese) = captions(&text);
        let Some(english) = english else {
            collected.leave_out("without an English caption");
            continue;
        };
        let mut captions = vec![("en", vec![english])];
        let names = if chinese.is_some() { BOTH } else { ENGLISH };
        captions.extend(chinese.map(|chinese| ("zh", vec![chinese])));
        collected.add(Captioned { file, path, label, captions, group: None, names });
    }
    collected.write(making.into)
}

/// The captions in a file: the first line, and the Chinese one if somebody has translated it.
fn captions(text: &str) -> (Option<String>, Option<String>) {
    let english = text.lines().next().map(pictures::one_line).filter(|line| !line.is_empty());
    let chinese = text.lines().find_map(|line| line.strip_prefix(CHINESE));
    (english, chinese.map(pictures::one_line).filter(|line| line.contains(is_han)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pictures::tests::lines;

    fn check(text: &str, english: Option<&str>, chinese: Option<&str>) {
        assert_eq!(captions(text), (english.map(str::to_owned), chinese.map(str::to_owned)));
    }

    #[test]
    fn captions_of_a_file() {
        check("A  pig. \nde.utf8=Ein Schwein\nzh_CN.utf8=猪。\n", Some("A pig."), Some("猪。"));
        check("A pig.\nzh_TW.utf8=豬\n", Some("A pig."), None);
        check("A pig.\nzh_CN.utf8=A pig.\n", Some("A pig."), None);
        check("", None, None);
        check(" \nzh_CN.utf8=猪", None, Some("猪"));
    }

    #[test]
    fn stamps_are_written_with_the_captions_that_they_have() {
        let dir = tempfile::tempdir().unwrap();
        let stamps = dir.path().join("stamps");
        fs::create_dir_all(stamps.join("animals/birds")).unwrap();
        let put = |name: String, text: &str| fs::write(stamps.join(name), text).unwrap();
        for number in 0..80 {
            let zh = if number % 4 == 0 { "" } else { "zh_CN.utf8=鸟" };
            put(format!("animals/birds/{number}.png"), &number.to_string());
            let zh = if zh.is_empty() { String::new() } else { format!("{zh}{number}\n") };
            put(format!("animals/birds/{number}.txt"), &format!("Bird {number}.\n{zh}"));
        }
        put("animals/birds/1_mirror.png".to_owned(), "mirrored");
        put("animals/pig.svg".to_owned(), "<svg/>");
        put("animals/pig.txt".to_owned(), "A pig.");
        let into = dir.path().join("into");
        fs::create_dir(&into).unwrap();
        make(&Making { root: dir.path(), taken: dir.path(), into: &into }).unwrap();
        let both: Vec<_> =
            BOTH.iter().flat_map(|name| lines(&into, &format!("{name}.jsonl"))).collect();
        let english: Vec<_> =
            ENGLISH.iter().flat_map(|name| lines(&into, &format!("{name}.jsonl"))).collect();
        assert_eq!((both.len(), english.len()), (60, 20));
        assert!(both.iter().all(|line| line["zh"].is_string() && line["label"] == "animals"));
        assert!(english.iter().all(|line| line["zh"].is_null() && line["en"].is_string()));
        assert!(into.join("pictures/animals/birds/7.png").is_file());
        assert!(!into.join("pictures/animals/birds/1_mirror.png").exists());
    }
}
