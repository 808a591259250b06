//! Mutated tokenizer folders: loading, encoding and decoding terminate within limits of time and memory, with or
//! without an error. `PROPTEST_CASES=100000 cargo test -p sst-data --test it tokenize_fuzz` runs more cases.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_data::tokenize::Tokenizer;

const TEXT: &str = "The cat [MASK] a\u{301}b ab 中国 <ent> 🙂 ﷺ a…";
/// The time that one folder may take.
const TIME: Duration = Duration::from_secs(20);
/// The peak memory of the process, in KiB.
const MEMORY: u64 = 1 << 20;

/// The files of a folder, by name.
type Folder = Vec<(String, Vec<u8>)>;

/// The folders that are mutated: the attacks, and one golden folder of each kind.
fn corpus() -> &'static [Folder] {
    static CORPUS: OnceLock<Vec<Folder>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut corpus = Vec::new();
        let mut attacks: Vec<PathBuf> = fs::read_dir(here.join("tests/fixtures/attacks"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        attacks.sort();
        for path in attacks.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            corpus.push(vec![("tokenizer.json".to_owned(), fs::read(path).unwrap())]);
        }
        let golden = fs::read(here.join("../../tests/goldens/folders/case.json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        for case in golden["cases"].as_array().unwrap().iter().step_by(9) {
            let files = case["folder"].as_object().unwrap().iter().map(|(name, value)| {
                let text = match value.as_str() {
                    Some(key) => golden["files"][key].as_str().unwrap().to_owned(),
                    None => value.to_string(),
                };
                (name.clone(), text.into_bytes())
            });
            corpus.push(files.collect());
        }
        corpus
    })
}

/// Values that often cause errors in files of this kind.
fn hostile(choice: usize, text: &str) -> Value {
    match choice % 14 {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(u64::MAX),
        3 => json!(1e308),
        4 => json!(""),
        5 => json!("a".repeat(5000)),
        6 => json!([]),
        7 => json!({}),
        8 => json!(true),
        9 => json!(text),
        10 => json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"}),
        11 => json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFKC"}]}),
        12 => json!("\u{0}\u{fdfa}🙂"),
        _ => json!(0.5),
    }
}

/// Changes the value at `path`: each number selects a child, and the last one selects the change.
fn mutate(value: &mut Value, path: &[usize]) {
    let (Some(step), rest) = (path.first(), path.get(1..).unwrap_or_default()) else { return };
    let here = |value: &mut Value| *value = hostile(*step, "▁");
    match value {
        Value::Object(object) if !object.is_empty() && !rest.is_empty() => {
            let key = object.keys().nth(step % object.len()).cloned().unwrap_or_default();
            if rest.len() == 1 && rest[0] % 5 == 0 {
                object.remove(&key);
            } else if let Some(child) = object.get_mut(&key) {
                mutate(child, rest);
            }
        }
        Value::Array(array) if !array.is_empty() && !rest.is_empty() => {
            let at = step % array.len();
            match rest {
                [how] if how % 5 == 0 => drop(array.remove(at)),
                [how] if how % 5 == 1 => {
                    let copy = array[at].clone();
                    array.extend(std::iter::repeat_n(copy, 20));
                }
                _ => mutate(&mut array[at], rest),
            }
        }
        _ => here(value),
    }
}

/// The peak memory of this process so far, in KiB, if the system reports it.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn try_folder(folder: &Path) {
    let start = Instant::now();
    if let Ok(tokenizer) = Tokenizer::load(folder) {
        for text in [TEXT.to_owned(), TEXT.repeat(40)] {
            if let Ok(ids) = tokenizer.encode_with_special(&text) {
                let _ = tokenizer.decode(&ids, false);
            }
        }
        let _ = tokenizer.encoding(TEXT);
        let _ = (tokenizer.continuation(), tokenizer.spellings().spell(&[0, 1, 2]));
    }
    assert!(start.elapsed() < TIME, "took {:?}", start.elapsed());
}

proptest! {
    #[test]
    fn mutated_folders_end_in_time_and_memory(
        which in 0_usize..10_000,
        file in 0_usize..8,
        paths in prop::collection::vec(prop::collection::vec(0_usize..64, 1..7), 0..4),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let corpus = corpus();
        let mut files = corpus[which % corpus.len()].clone();
        let count = files.len();
        let content = &mut files[file % count].1;
        if let Ok(mut value) = serde_json::from_slice::<Value>(content) {
            for path in &paths {
                mutate(&mut value, path);
            }
            *content = value.to_string().into_bytes();
        }
        for (at, byte) in &bytes {
            if !content.is_empty() {
                let at = at.index(content.len());
                content[at] = *byte;
            }
        }
        if let Some(cut) = cut.filter(|_| !content.is_empty()) {
            content.truncate(cut.index(content.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let before = most_memory();
        try_folder(folder.path());
        // Other tests run in the same process, so only the increase during this test counts.
        let added = most_memory().saturating_sub(before);
        prop_assert!(added < MEMORY, "{added} KiB more than before");
    }
}
