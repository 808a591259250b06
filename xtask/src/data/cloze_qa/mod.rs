//! Cloze questions in English with answers in a text, made from links of Wikipedia.
//!
//! The anchor of a link that occurs several times in its paragraph is an answer. The question is a sentence of the
//! paragraph in which the anchor is replaced by a blank, and the context is the paragraph without that sentence, in
//! which the anchor still occurs. Cloze questions from such texts are those of Hermann et al. (2015); that a span of
//! the context is the answer is as in SQuAD (Rajpurkar et al. 2016).

mod cloze;
mod dump;
mod squad;
mod wikitext;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use self::squad::Article;
use super::split::Split;
use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "cloze-qa",
    about: "English: cloze questions from 106 Wikipedia articles, as SQuAD 1.1",
    license: "text CC-BY-SA-3.0 and GFDL; package LGPL-2.1",
    warning: None,
    origin: Origin::Made {
        source: Source::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "gensim",
                version: "4.4.0",
                file: "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
                sha256: "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
            },
            takes: &[Take {
                from: "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
                to: DUMP,
            }],
        },
        megabytes: 27.8,
        maker: Maker { version: 1, make },
    },
};

/// One of so many articles is for validation, and one for tests.
const PARTS: u64 = 5;
/// The name of the dump among the extracted files.
const DUMP: &str = "enwiki.xml.bz2";

/// Writes train.json, validation.json and test.json. All questions of an article are in one of them.
fn make(making: &Making<'_>) -> Result<()> {
    let dump = dump::read(&making.taken.join(DUMP))?;
    let mut parts = Split::ALL.map(|split| (split, Vec::new()));
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut articles, mut paragraphs, mut repeated, mut questions) = (0, 0, 0, 0);
    for page in dump::pages(&dump) {
        articles += 1;
        let article = wikitext::article(&page.text);
        for (reason, count) in &article.left_out {
            *left_out.entry(reason).or_default() += count;
        }
        paragraphs += article.paragraphs.len();
        repeated += article.paragraphs.iter().map(cloze::repeated).sum::<usize>();
        let clozes: Vec<_> = article.paragraphs.iter().flat_map(cloze::clozes).collect();
        questions += clozes.len();
        let split = Split::of(&page.title, PARTS);
        if let Some((_, part)) = parts.iter_mut().find(|(own, _)| *own == split) {
            part.push(Article { title: page.title, clozes });
        }
    }
    ensure!(articles > 0, "{DUMP} has no article: it is not what it was");
    eprintln!("{articles} articles, {paragraphs} paragraphs");
    for (reason, count) in left_out {
        eprintln!("left out {count} paragraphs {reason}");
    }
    eprintln!(
        "{repeated} anchors occur at least twice in their paragraph; no sentence asks for {} of them",
        repeated - questions
    );
    for (split, articles) in &parts {
        squad::write(making.into, &format!("{}.json", split.name()), articles)?;
    }
    Ok(())
}
