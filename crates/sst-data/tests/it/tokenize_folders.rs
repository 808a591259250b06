//! Folders of every class, with flags, added tokens and older files, encode as transformers' AutoTokenizer does, and
//! still do after they were saved. tests/parity/folders.py gives the saved folders to transformers.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sst_data::tokenize::Tokenizer;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/folders/case.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Writes the folder of a case.
fn write(case: &Value, files: &Value, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, value) in case["folder"].as_object().unwrap() {
        let text = match value.as_str() {
            Some(key) => files[key].as_str().unwrap().to_owned(),
            None => value.to_string(),
        };
        fs::write(folder.join(name), text).unwrap();
    }
}

/// The first difference between `tokenizer` and the result of transformers for the case.
fn difference(case: &Value, texts: &[&str], tokenizer: &Tokenizer) -> Option<String> {
    for (text, expected) in texts.iter().zip(case["ids"].as_array().unwrap()) {
        let ids = match tokenizer.encode_with_special(text) {
            Ok(ids) => ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        if Some(ids.as_str()) != expected.as_str() {
            return Some(format!("{text:?}: {ids}, not {expected}"));
        }
    }
    if tokenizer.vocab_size() as u64 != case["size"].as_u64().unwrap() {
        return Some(format!("size {}, not {}", tokenizer.vocab_size(), case["size"]));
    }
    let special = tokenizer.special();
    let roles = [
        ("pad", special.pad),
        ("unk", special.unk),
        ("cls", special.cls),
        ("sep", special.sep),
        ("mask", special.mask),
        ("bos", special.bos),
        ("eos", special.eos),
    ];
    for (name, id) in roles {
        // If transformers has no token for a role, sst may find one by its usual name.
        let expected = case["roles"].get(name);
        if expected.is_some() && json!(id) != *expected.unwrap() {
            return Some(format!("{name} {id:?}, not {expected:?}"));
        }
    }
    None
}

#[test]
fn folders_encode_like_transformers_and_still_do_when_saved() {
    let golden = golden();
    let texts: Vec<&str> =
        golden["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 500);
    let saved_folders = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tokenizer-folders");
    let _ = fs::remove_dir_all(&saved_folders);
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        write(case, &golden["files"], folder.path());
        let name = case["name"].as_str().unwrap();
        let tokenizer = match Tokenizer::load(folder.path()) {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let differs = difference(case, &texts, &tokenizer);
        wrong.extend(differs.map(|differs| format!("{name}: {differs}")));
        let saved = saved_folders.join(number.to_string());
        tokenizer.save(&saved, 128).unwrap();
        if let Some(config) = case["folder"].get("config.json") {
            fs::write(saved.join("config.json"), config.to_string()).unwrap();
        }
        let differs = difference(case, &texts, &Tokenizer::load(&saved).unwrap());
        wrong.extend(differs.map(|differs| format!("{name}, saved: {differs}")));
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Byte-level tokenizers and those with byte fallback lose nothing: the text of their tokens is the original text.
#[test]
fn tokens_spell_the_text_that_they_came_from() {
    let golden = golden();
    let mut tried = 0;
    for case in golden["cases"].as_array().unwrap().iter().step_by(3) {
        let folder = tempfile::tempdir().unwrap();
        write(case, &golden["files"], folder.path());
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        let spellings = tokenizer.spellings();
        // For WordPiece and Unigram, only texts without unknown characters are compared.
        for text in [
            "The Cat sat",
            " the  café 中国 in a\thouse ",
            "été Ünï 你好，世界 ﬁne Ⅳ 🙂",
            "👍🏽a 昨天",
        ] {
            let ids = tokenizer.encode(text).unwrap();
            let name = case["name"].as_str().unwrap();
            let loses = [
                "WordPiece",
                "wordpiece",
                "unigram",
                "vocab",
                "model_type",
                "tokenizer_config",
                "class in",
            ];
            if loses.iter().any(|kind| name.contains(kind)) {
                continue;
            }
            let runs = spellings.spell(&ids);
            assert!(runs.len() <= 1, "{name}: {text:?} holds a special token");
            let bytes = runs.into_iter().flat_map(|run| run.bytes).collect();
            let plain = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(plain(&String::from_utf8(bytes).unwrap()), plain(text), "{name}");
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}
