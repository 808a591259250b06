//! Which split of a data set a file belongs to, by the names of folders and files, as the `datasets` library tells it.

use std::path::{Path, PathBuf};

/// The part of a data set that a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
    /// Another name that is given to shards: `extra` of `extra-00000-of-00002.parquet`.
    Other(String),
}

/// The words that name a split: those of `datasets`, and two more for what is held out.
const WORDS: [(&str, Split); 12] = [
    ("train", Split::Train),
    ("training", Split::Train),
    ("validation", Split::Validation),
    ("valid", Split::Validation),
    ("dev", Split::Validation),
    ("val", Split::Validation),
    ("test", Split::Test),
    ("testing", Split::Test),
    ("eval", Split::Test),
    ("evaluation", Split::Test),
    ("heldout", Split::Test),
    ("holdout", Split::Test),
];

impl Split {
    /// Its name as `datasets` has it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Other(name) => name,
        }
    }
}

/// What is taken of the files of one folder or pattern, and what is kept apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) taken: Vec<PathBuf>,
    pub(super) apart: Vec<(PathBuf, Split)>,
}

/// Takes the files to train on. `base` is what all paths have in front and what the user wrote, so that it says nothing
/// of a split; `Err` with the splits if there are several and none of them is for training.
///
/// Files of the split `train` and files that name no split are taken, and all others are kept apart. Files of one split
/// alone are taken whatever it is: who names a folder of test data means them.
pub(super) fn sort(base: &Path, files: Vec<PathBuf>) -> Result<Sorted, Vec<Split>> {
    let told: Vec<(PathBuf, Option<Split>)> = files
        .into_iter()
        .map(|file| {
            let split = split_of(file.strip_prefix(base).unwrap_or(&file));
            (file, split)
        })
        .collect();
    let mut splits: Vec<&Split> = told.iter().filter_map(|(_, split)| split.as_ref()).collect();
    splits.sort_unstable();
    splits.dedup();
    let trains = told.iter().any(|(_, split)| matches!(split, None | Some(Split::Train)));
    if !trains && splits.len() > 1 {
        return Err(splits.into_iter().cloned().collect());
    }
    let mut sorted = Sorted::default();
    for (file, split) in told {
        match split {
            Some(split) if trains && split != Split::Train => sorted.apart.push((file, split)),
            _ => sorted.taken.push(file),
        }
    }
    Ok(sorted)
}

/// The split that a path below the user's folder names: the name of a shard says it outright; of the words in folders
/// and file that name splits, one of test data weighs most and one of training data least.
fn split_of(path: &Path) -> Option<Split> {
    let names: Vec<String> =
        path.iter().map(|name| name.to_string_lossy().to_lowercase()).collect();
    let (file, folders) = names.split_last()?;
    let mut found: Vec<Split> = folders.iter().flat_map(|name| words(name)).collect();
    match shard(file) {
        Some(name) => {
            let known = words(&name).next();
            found.push(known.unwrap_or(Split::Other(name)));
        }
        None => found.extend(words(file)),
    }
    let heaviest = [Split::Test, Split::Validation].into_iter().find(|split| found.contains(split));
    heaviest.or_else(|| found.into_iter().next_back())
}

/// The splits that the words of a name stand for. Words end where a letter is followed by something else, as in
/// `datasets`: `my_test-2.jsonl` has `my` and `test`, `latest.txt` has neither.
fn words(name: &str) -> impl Iterator<Item = Split> + use<'_> {
    let separates = |c: char| matches!(c, '-' | '.' | '_' | ' ') || c.is_ascii_digit();
    let parts = name.split(separates);
    parts.filter_map(|part| {
        WORDS.iter().find(|(word, _)| *word == part).map(|(_, split)| split.clone())
    })
}

/// `train` of `train-00000-of-00002.parquet`, the way Hugging Face names shards.
fn shard(file: &str) -> Option<String> {
    let stem = file.split(".").next()?;
    let (head, count) = stem.rsplit_once("-of-")?;
    let (split, shard) = head.rsplit_once('-')?;
    let digits = |s: &str| s.len() >= 5 && s.bytes().all(|b| b.is_ascii_digit());
    (digits(shard) && digits(count) && !split.is_empty()).then(|| split.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` are the files taken, or `Err` with the splits.
    fn check(files: &[&str], expected: Result<&[&str], &[&str]>) {
        let sorted =
            sort(Path::new("d"), files.iter().map(|file| Path::new("d").join(file)).collect());
        let found = match &sorted {
            Ok(sorted) => Ok(sorted
                .taken
                .iter()
                .map(|file| file.strip_prefix("d").unwrap().to_str().unwrap())
                .collect()),
            Err(splits) => Err(splits.iter().map(Split::name).collect()),
        };
        assert_eq!(found, expected.map(<[_]>::to_vec).map_err(<[_]>::to_vec), "{files:?}");
    }

    #[test]
    fn test_and_validation_are_kept_apart() {
        check(&["test.jsonl", "train.jsonl", "validation.jsonl"], Ok(&["train.jsonl"]));
        check(&["test/a.jsonl", "train/a.jsonl"], Ok(&["train/a.jsonl"]));
        check(&["dev.tsv", "test.tsv", "train.tsv"], Ok(&["train.tsv"]));
        check(&["wiki.test.txt", "wiki.train.txt", "wiki.valid.txt"], Ok(&["wiki.train.txt"]));
        check(
            &["data/train-00000-of-00001.parquet", "data/test.parquet"],
            Ok(&["data/train-00000-of-00001.parquet"]),
        );
        check(&["train_0.csv", "train_1.csv", "val_0.csv"], Ok(&["train_0.csv", "train_1.csv"]));
        check(&["TEST.jsonl.gz", "Train.jsonl.gz"], Ok(&["Train.jsonl.gz"]));
        check(&["corpus.jsonl", "corpus-test.jsonl"], Ok(&["corpus.jsonl"]));
        check(
            &["en/training/a.txt", "en/evaluation/a.txt", "en/heldout.txt"],
            Ok(&["en/training/a.txt"]),
        );
        check(
            &["extra-00000-of-00001.parquet", "train-00000-of-00001.parquet"],
            Ok(&["train-00000-of-00001.parquet"]),
        );
        // Training data within a folder of test data is test data.
        check(&["test/train.jsonl", "a.jsonl"], Ok(&["a.jsonl"]));
    }

    #[test]
    fn files_of_no_split_or_of_one_are_all_taken() {
        let plain = ["latest.txt", "contest.txt", "a/b.jsonl", "devices.csv", "value.csv"];
        check(&plain, Ok(&plain));
        check(&["test/a.jsonl", "test/b.jsonl"], Ok(&["test/a.jsonl", "test/b.jsonl"]));
        check(&["test-00000-of-00001.parquet"], Ok(&["test-00000-of-00001.parquet"]));
        check(&["dev.jsonl", "test.jsonl"], Err(&["validation", "test"]));
    }
}
