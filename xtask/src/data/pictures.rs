//! Writes pictures with captions and a label as JSON lines that name their files, for training and for tests.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::split;
use crate::sum::sum;

/// The folder of the pictures beside the JSON lines.
const FOLDER: &str = "pictures";

/// Of twenty parts of the hash so many are for tests.
const TEST_PARTS: u64 = 3;

/// A picture with its captions.
#[derive(Debug)]
pub(super) struct Captioned {
    /// The extracted file.
    pub(super) file: PathBuf,
    /// The path below the folder of all pictures, with `/` between its parts.
    pub(super) path: String,
    pub(super) label: String,
    /// Fields of captions with the captions of each. Several are written as a list.
    pub(super) captions: Vec<(&'static str, Vec<String>)>,
    /// Pictures with the same value are in the same part, as if it were a caption.
    pub(super) group: Option<String>,
    /// The names of the files: `["train", "test"]`, or others for pictures that lack a field of captions.
    pub(super) names: [&'static str; 2],
}

/// Collected pictures, and the number of pictures left out by reason.
#[derive(Default)]
pub(super) struct Pictures {
    rows: Vec<Captioned>,
    left_out: BTreeMap<&'static str, usize>,
}

impl Pictures {
    pub(super) fn add(&mut self, picture: Captioned) {
        self.rows.push(picture);
    }

    /// Counts a picture that is left out. `reason` continues the sentence "left out 3 pictures".
    pub(super) fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// Moves the pictures into the folder `into` and writes the JSON lines. Of equal files the first one is kept.
    /// Pictures that have a caption in common, in whatever case, or are of one group, are in the same part. Prints how
    /// many pictures there are and how many were left out.
    pub(super) fn write(mut self, into: &Path) -> Result<()> {
        self.rows.sort_by(|a, b| a.path.cmp(&b.path));
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for row in std::mem::take(&mut self.rows) {
            match seen.insert(sum(&row.file)?) {
                true => kept.push(row),
                false => self.leave_out("with the same file as another one"),
            }
        }
        for (reason, count) in &self.left_out {
            eprintln!("left out {count} pictures {reason}");
        }
        let mut files: BTreeMap<&str, Vec<&Captioned>> = BTreeMap::new();
        for (row, is_test) in kept.iter().zip(are_for_tests(&kept)) {
            files.entry(row.names[usize::from(is_test)]).or_default().push(row);
        }
        for name in ["train", "test"] {
            ensure!(files.contains_key(name), "there is no picture for {name}.jsonl");
        }
        for (name, rows) in files {
            write_lines(into, name, &rows)?;
        }
        for row in &kept {
            let target = into.join(FOLDER).join(&row.path);
            fs::create_dir_all(target.parent().unwrap_or(into))?;
            fs::rename(&row.file, &target)
                .with_context(|| format!("cannot make {}", target.display()))?;
        }
        Ok(())
    }
}

fn write_lines(into: &Path, name: &str, rows: &[&Captioned]) -> Result<()> {
    let name = format!("{name}.jsonl");
    let path = into.join(&name);
    let file = File::create_new(&path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot make {}", path.display()))?);
    let (mut labels, mut fields) = (HashSet::new(), BTreeMap::<&str, usize>::new());
    for row in rows {
        let mut line: Map<String, Value> = Map::new();
        line.insert("image".to_owned(), format!("{FOLDER}/{}", row.path).into());
        for (field, captions) in &row.captions {
            let value = match captions.as_slice() {
                [caption] => caption.as_str().into(),
                captions => captions.into(),
            };
            line.insert((*field).to_owned(), value);
            *fields.entry(field).or_default() += 1;
        }
        line.insert("label".to_owned(), row.label.as_str().into());
        labels.insert(&row.label);
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let fields: Vec<_> = fields.iter().map(|(name, count)| format!("{count} `{name}`")).collect();
    let fields = if fields.is_empty() { "no captions".to_owned() } else { fields.join(", ") };
    eprintln!("{name}: {} pictures ({fields}; {} labels)", rows.len(), labels.len());
    Ok(())
}

/// Whether each picture is for tests. Pictures that belong together form a set, and the hash of the smallest path in a
/// set decides.
fn are_for_tests(rows: &[Captioned]) -> Vec<bool> {
    let mut parents: Vec<usize> = (0..rows.len()).collect();
    let mut first: HashMap<(&str, String), usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let captions = row.captions.iter();
        let captions =
            captions.flat_map(|(field, captions)| captions.iter().map(move |text| (*field, text)));
        for (field, text) in captions.chain(row.group.iter().map(|group| ("", group))) {
            let other = *first.entry((field, text.to_lowercase())).or_insert(index);
            let (one, other) = (root(&mut parents, index), root(&mut parents, other));
            parents[one] = other;
        }
    }
    let roots: Vec<usize> = (0..rows.len()).map(|index| root(&mut parents, index)).collect();
    let mut sets: HashMap<usize, (&str, usize)> = HashMap::new();
    for (row, root) in rows.iter().zip(&roots) {
        let (smallest, count) = sets.entry(*root).or_insert((row.path.as_str(), 0));
        *smallest = (*smallest).min(row.path.as_str());
        *count += 1;
    }
    let largest = sets.values().map(|(_, count)| *count).max().unwrap_or_default();
    eprintln!("{} sets of pictures that stay together, the largest of {largest}", sets.len());
    roots.iter().map(|root| split::hash(sets[root].0) % 20 < TEST_PARTS).collect()
}

/// The representative of the set of `index`.
fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

/// All files below `folder` that end in `.extension`, relative to it with `/` between the parts, sorted.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let inside = path.strip_prefix(folder)?;
                let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
                found.push(parts.join("/"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The label of a picture: the first folder of its path.
pub(super) fn label(path: &str) -> Option<&str> {
    path.split_once('/').map(|(folder, _)| folder)
}

/// Replaces every run of white space by one space.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The lines of a file of `folder`; none if there is no such file.
    pub(in crate::data) fn lines(folder: &Path, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Writes pictures with these contents and captions.
    fn write(folder: &Path, pictures: &[(&str, &str, &[&str])]) -> Result<()> {
        let mut collected = Pictures::default();
        for (path, content, captions) in pictures {
            let file = folder.join(path.replace('/', "-"));
            fs::write(&file, content).unwrap();
            let captions = captions.iter().map(|caption| (*caption).to_owned()).collect();
            let (path, label) = ((*path).to_owned(), label(path).unwrap_or_default().to_owned());
            let (captions, names) = (vec![("en", captions)], ["train", "test"]);
            collected.add(Captioned { file, path, label, captions, group: None, names });
        }
        collected.write(folder)
    }

    #[test]
    fn parts_share_no_file_and_no_caption() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..200).map(|number| format!("a/{number}.png")).collect();
        let captions: Vec<[String; 2]> = (0..200)
            .map(|number| [format!("t{}", number / 2), format!("T{}", number % 2)])
            .collect();
        // Of each two pictures with one caption, both are in the same part; "t0" joins two more.
        let texts: Vec<Vec<&str>> = captions
            .iter()
            .enumerate()
            .map(
                |(at, [one, two])| {
                    if at < 2 { vec![one.as_str(), two] } else { vec![one.as_str()] }
                },
            )
            .collect();
        let mut rows: Vec<(&str, &str, &[&str])> = Vec::new();
        for (name, texts) in names.iter().zip(&texts) {
            rows.push((name, name, texts));
        }
        rows.push(("b/same.png", names[7].as_str(), &["other"]));
        write(dir.path(), &rows).unwrap();
        let (train, test) = (lines(dir.path(), "train.jsonl"), lines(dir.path(), "test.jsonl"));
        assert_eq!(train.len() + test.len(), 200, "one file stands twice");
        assert!((10..=60).contains(&test.len()), "{}", test.len());
        let all = |lines: &[Value]| -> HashSet<String> {
            let texts = lines.iter().flat_map(|line| match &line["en"] {
                Value::Array(list) => list.clone(),
                one => vec![one.clone()],
            });
            texts.map(|text| text.as_str().unwrap().to_lowercase()).collect()
        };
        assert!(all(&train).is_disjoint(&all(&test)));
        for line in train.iter().chain(&test) {
            let file = dir.path().join(line["image"].as_str().unwrap());
            assert!(file.is_file(), "{}", file.display());
            assert_eq!(line["label"], "a");
        }
    }

    #[test]
    fn one_caption_is_a_text_and_several_are_a_list() {
        let dir = tempfile::tempdir().unwrap();
        // The hash of the first path is for training, and that of the second one for tests.
        let row = |path: &str, captions: &[&str]| {
            let captions = captions.iter().map(|caption| (*caption).to_owned()).collect();
            let file = dir.path().join(path);
            fs::write(&file, path).unwrap();
            let (label, captions) = ("x".to_owned(), vec![("en", captions)]);
            Captioned {
                file,
                path: path.to_owned(),
                label,
                captions,
                group: None,
                names: ["train", "test"],
            }
        };
        let of_part = |part: bool| {
            let mut paths = (0..).map(|number| format!("{number}.png"));
            paths.find(|path| (split::hash(path) % 20 < TEST_PARTS) == part).unwrap()
        };
        let mut pictures = Pictures::default();
        pictures.add(row(&of_part(false), &["one"]));
        pictures.add(row(&of_part(true), &["two", "three"]));
        pictures.leave_out("without a caption");
        assert_eq!(pictures.left_out["without a caption"], 1);
        pictures.write(dir.path()).unwrap();
        assert_eq!(lines(dir.path(), "train.jsonl")[0]["en"], "one");
        assert_eq!(lines(dir.path(), "test.jsonl")[0]["en"], serde_json::json!(["two", "three"]));
    }

    #[test]
    fn a_part_without_pictures_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), &[("a/1.png", "1", &["one"])]).unwrap_err();
        assert!(error.to_string().starts_with("there is no picture for t"), "{error}");
    }
}
