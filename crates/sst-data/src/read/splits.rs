//! Finds the split of a data set that a file belongs to from the names of folders and files, as the `datasets` library
//! does.

use std::path::{Path, PathBuf};

#[cfg(feature = "pictures")]
use super::ReadError;
use super::warn_once;

/// A split of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
    /// Another name in the name of a shard, such as `extra` in `extra-00000-of-00002.parquet`.
    Other(String),
}

/// The words that name a split: those of `datasets`, and further ones for held-out data (`newstest2014` of WMT,
/// `tst2013` of IWSLT).
const WORDS: [(&str, Split); 21] = [
    ("train", Split::Train),
    ("training", Split::Train),
    ("validation", Split::Validation),
    ("validate", Split::Validation),
    ("valid", Split::Validation),
    ("dev", Split::Validation),
    ("val", Split::Validation),
    ("newsdev", Split::Validation),
    ("newsdiscussdev", Split::Validation),
    ("test", Split::Test),
    ("tests", Split::Test),
    ("testing", Split::Test),
    ("tst", Split::Test),
    ("devtest", Split::Test),
    ("testdev", Split::Test),
    ("newstest", Split::Test),
    ("newsdiscusstest", Split::Test),
    ("eval", Split::Test),
    ("evaluation", Split::Test),
    ("heldout", Split::Test),
    ("holdout", Split::Test),
];

/// What may follow such a word without a separator: `testset` counts like `test-set`.
const SUFFIXES: [&str; 4] = ["set", "sets", "data", "split"];

impl Split {
    /// The name of the split in `datasets`.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Other(name) => name,
        }
    }
}

/// The files of one folder or pattern that are read, and those that are kept apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) taken: Vec<PathBuf>,
    pub(super) apart: Vec<(PathBuf, Split)>,
    /// Files that are read and name no split, although others are named for training. They may be held-out data under
    /// an unknown name, and `datasets` would leave them out.
    pub(super) unnamed: Vec<PathBuf>,
}

impl Sorted {
    /// Warns about files that the user may not want to train on.
    fn warn(&self) {
        let Some(first) = self.unnamed.first() else { return };
        let message = format!(
            "files are read whose names state no split, beside others that are named for training ({} of them, the \
             first is {}); `datasets` would leave them out: move away what is held out, or name the files to read",
            self.unnamed.len(),
            first.display()
        );
        warn_once::warn_once(None, message);
    }
}

/// Chooses the files to train on. `base` is the part of the path that the user wrote, which names no split. If there
/// are several splits and none is for training, the error lists them.
///
/// Files of the split `train` and files that name no split are read, and files of other splits are kept apart. If all
/// files are of one split, they are read whatever it is, because a user who names a folder of test data wants to read
/// it. Files that name no split beside files of `train` cause a warning.
pub(super) fn sort(base: &Path, files: Vec<PathBuf>) -> Result<Sorted, Vec<Split>> {
    let with_splits: Vec<(PathBuf, Option<Split>)> = files
        .into_iter()
        .map(|file| {
            let split = split_of(file.strip_prefix(base).unwrap_or(&file));
            (file, split)
        })
        .collect();
    let mut splits: Vec<&Split> =
        with_splits.iter().filter_map(|(_, split)| split.as_ref()).collect();
    splits.sort_unstable();
    splits.dedup();
    let named = with_splits.iter().any(|(_, split)| *split == Some(Split::Train));
    let trains = with_splits.iter().any(|(_, split)| matches!(split, None | Some(Split::Train)));
    if !trains && splits.len() > 1 {
        return Err(splits.into_iter().cloned().collect());
    }
    let mut sorted = Sorted::default();
    for (file, split) in with_splits {
        match split {
            Some(split) if trains && split != Split::Train => sorted.apart.push((file, split)),
            split => {
                if named && split.is_none() {
                    sorted.unnamed.push(file.clone());
                }
                sorted.taken.push(file);
            }
        }
    }
    sorted.warn();
    Ok(sorted)
}

/// The files to train on of `files`, which the user named by `written`, and those of other splits. `base` is the part
/// of their paths that the user wrote.
///
/// # Errors
/// If there are several splits and none is for training.
#[cfg(feature = "pictures")]
pub(crate) fn choose_split(
    written: &str,
    base: &Path,
    files: Vec<PathBuf>,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), ReadError> {
    let example = files.first().map(|file| file.to_string_lossy().into_owned());
    let sorted = sort(base, files).map_err(|splits| {
        let names: Vec<&str> = splits.iter().map(Split::name).collect();
        ReadError::NoTrainingSplit {
            path: written.to_owned(),
            splits: names.join(" and "),
            example: example.unwrap_or_default(),
        }
    })?;
    let apart: Vec<PathBuf> = sorted.apart.into_iter().map(|(file, _)| file).collect();
    if let Some(first) = apart.first() {
        let message = format!(
            "files of other splits than the one for training are kept apart and not read ({} of them, the first is {}): \
             name a file or folder to read it",
            apart.len(),
            first.display()
        );
        warn_once::warn_once(None, message);
    }
    Ok((sorted.taken, apart))
}

/// Whether a whole name is a word for a split, such as `train` or `val`.
#[cfg(feature = "pictures")]
pub(crate) fn names_a_split(name: &str) -> bool {
    word(&name.to_lowercase()).is_some()
}

/// The split that a path below the user's folder names. The name of a shard states it. Otherwise the words of folder
/// and file names are searched, where words for test data take precedence and words for training data count least.
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

/// The splits that the words of a name stand for. As in `datasets`, a word ends where a letter is followed by anything
/// else: `my_test-2.jsonl` has the words `my` and `test`, and `latest.txt` has neither. `held-out` counts as one word.
fn words(name: &str) -> impl Iterator<Item = Split> + use<'_> {
    let separates = |c: char| matches!(c, '-' | '.' | '_' | ' ') || c.is_ascii_digit();
    let parts = || name.split(separates);
    let joined = parts().zip(parts().skip(1));
    let apart = joined.filter(|pair| matches!(pair, ("held" | "hold", "out"))).map(|_| Split::Test);
    parts().filter_map(word).chain(apart)
}

/// The split that a word names.
fn word(part: &str) -> Option<Split> {
    let find =
        |part: &str| WORDS.iter().find(|(word, _)| *word == part).map(|(_, split)| split.clone());
    let without = |suffix: &&str| part.strip_suffix(suffix).and_then(find);
    find(part).or_else(|| SUFFIXES.iter().find_map(without))
}

/// The split in the name of a shard as Hugging Face names them, such as `train` in `train-00000-of-00002.parquet`.
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

    /// `expected` lists the files that are read, or in `Err` the splits.
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
        // Training data in a folder of test data counts as test data.
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
    /// Whether a file of this name is kept apart beside a file for training.
    fn is_apart(name: &str) -> bool {
        let sorted = sort(Path::new("d"), vec!["d/train.txt".into(), Path::new("d").join(name)]);
        let sorted = sorted.unwrap();
        assert_eq!(sorted.taken.len() + sorted.apart.len(), 2, "{name}");
        !sorted.apart.is_empty()
    }

    #[test]
    fn held_out_data_is_known_by_many_names() {
        for name in [
            "held-out.txt",
            "held_out.jsonl",
            "Held Out.txt",
            "my-held-out-2.txt",
            "hold-out.txt",
            "hold_out/a.txt",
            "held-out-00000-of-00001.parquet",
            "validate.txt",
            "validation_set.txt",
            "testset.txt",
            "testSet2.txt",
            "test-data.txt",
            "testdata/a.txt",
            "tests/a.txt",
            "tests.txt",
            "devtest.txt",
            "testdev2015.txt",
            "valset.txt",
            "validset.txt",
            "devset.txt",
            "devsets/a.txt",
            "evalset.txt",
            "newstest2014.en",
            "newstest2014-ende-src.en.txt",
            "newsdev2016.txt",
            "newsdiscusstest2015.txt",
            "tst2013.en.txt",
        ] {
            assert!(is_apart(name), "{name}");
        }
    }

    #[test]
    fn ordinary_names_are_not_held_out() {
        for name in [
            "latest.txt",
            "contest.txt",
            "developer.txt",
            "evaluate_me.md",
            "testament.txt",
            "value.txt",
            "values.txt",
            "protests.txt",
            "testimony.txt",
            "devices.csv",
            "devil.txt",
            "valley.txt",
            "dataset.txt",
            "mindset.txt",
            "trainset.txt",
            "traindata.txt",
            "validated.tsv",
            "medieval.txt",
            "news2014.txt",
            "threshold-outline.txt",
            "hold.txt",
            "check-out.txt",
            "upheld_out.txt",
        ] {
            assert!(!is_apart(name), "{name}");
        }
    }

    #[test]
    fn files_of_no_split_beside_train_are_reported() {
        let unnamed = |files: &[&str]| {
            let sorted = sort(Path::new(""), files.iter().map(PathBuf::from).collect()).unwrap();
            let names = sorted.unnamed.iter().map(|file| file.to_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(unnamed(&["latest.txt", "train.txt", "x.txt"]), ["latest.txt", "x.txt"]);
        assert_eq!(unnamed(&["b.txt", "test.txt", "train/a.txt"]), ["b.txt"]);
        assert_eq!(unnamed(&["trainset.txt", "unseen.txt"]), ["unseen.txt"]);
        assert!(unnamed(&["a.txt", "b.txt"]).is_empty());
        assert!(unnamed(&["a.txt", "test.txt"]).is_empty());
        assert!(unnamed(&["test.txt", "train.txt"]).is_empty());
        assert!(unnamed(&["train/a.txt", "train/b.txt"]).is_empty());
    }
}
