//! Thesauri in each format, and with each kind of damage.

use std::fs;

use sst_data::augment::thesaurus::{Thesaurus, ThesaurusError};

use super::file;

fn load(name: &str, bytes: impl AsRef<[u8]>) -> Result<Thesaurus, ThesaurusError> {
    Thesaurus::load(&[file(name, bytes)])
}

fn check(thesaurus: &Thesaurus, word: &str, senses: usize, expected: &[&str]) {
    assert_eq!(thesaurus.synonyms(word, senses), expected, "{word}");
}

#[test]
fn mythes_is_read_without_its_notes() {
    let text = "UTF-8\r\n.22|1\r\n(noun)|twenty-two|firearm (generic term)\r\n\
                happy|3\n(adj)|bright (similar term)|cheerful (related term)|unhappy (antonym)\n\
                (adj)|felicitous|at ease\n(adj)|Happy|felicitous\nlonely|1\n(adj)|only (generic term)\n\
                cat|2\n(noun)|true cat|feline (generic term)\n(noun)|guy|hombre\n";
    let thesaurus = load("th_en.dat", text).unwrap();
    check(&thesaurus, "happy", 1, &["felicitous"]);
    check(&thesaurus, "happy", 9, &["felicitous", "bright"]);
    check(&thesaurus, "lonely", 9, &[]);
    check(&thesaurus, "unknown", 9, &[]);
    // A meaning without a synonym counts, except for adjectives.
    check(&thesaurus, "cat", 1, &[]);
    check(&thesaurus, "cat", 2, &["guy", "hombre"]);
    assert!(thesaurus.knows_as_name("happy") && !thesaurus.knows_as_name(".22"));
    assert!(thesaurus.len() == 4 && !thesaurus.is_empty());
}

#[test]
fn mythes_in_latin_1() {
    let thesaurus = load("th.dat", b"ISO8859-1\ncaf\xe9|1\n-|bistr\xf4\n").unwrap();
    check(&thesaurus, "café", 1, &["bistrô"]);
}

#[test]
fn cilin_is_read_as_text_and_as_a_tree() {
    let text = "Aa01A01= 人 士 人物\r\nAa01A02# 良民 顺民\r\nAa01A03@ 孤\r\nAa02A01= 我 人\r\n";
    let tree = r#"{"A":{"tag":"人","sub":{"a":{"tag":"x","sub":{
        "01":{"tag":"x","sub":{"A":{"tag":"x","sub":{"01=":["人","士","人物"],"02#":["良民","顺民"]}}}},
        "02":{"tag":"x","sub":{"A":{"tag":"x","sub":{"01=":["我","人"]}}}}}}}}}"#;
    for thesaurus in [load("cilin.txt", text).unwrap(), load("cilin_tree.json", tree).unwrap()] {
        check(&thesaurus, "人", 1, &["士", "人物"]);
        check(&thesaurus, "人", 2, &["士", "人物", "我"]);
        check(&thesaurus, "良民", 1, &[]);
    }
}

#[test]
fn wordnet_is_read_as_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let text = format!("  1 This is the licence\n{text}");
        sst_data::atomic::write(&folder.path().join(name), text.as_bytes()).unwrap();
    };
    for part in ["noun", "verb", "adj", "adv"] {
        write(&format!("data.{part}"), "");
        write(&format!("index.{part}"), "");
    }
    let data = "00001740 00 a 03 glad 0 happy(p) 0 well_pleased 0 001 ! 00002098 a 0101 | a gloss\n\
                00002098 00 a 02 happy 1 felicitous 0 000 | another\n\
                00003000 00 a 01 all_in 0 000 | tired\n";
    write("data.adj", data);
    write(
        "index.adj",
        "glad a 1 1 ! 1 1 00001740  \nhappy a 2 2 ! & 2 1 00002098 00001740  \nall_in a 1 0 1 0 00003000  \n",
    );
    let load = || Thesaurus::load(&[folder.path().to_owned()]);
    let thesaurus = load().unwrap();
    check(&thesaurus, "happy", 1, &["felicitous"]);
    check(&thesaurus, "happy", 2, &["felicitous", "glad"]);
    check(&thesaurus, "glad", 2, &["happy"]);

    write("index.adj", "glad a 1 1 ! 1 1 00009999\n");
    assert!(load().unwrap_err().to_string().contains("index.adj:2: is not an entry of WordNet"));
    fs::remove_file(folder.path().join("data.verb")).unwrap();
    assert!(load().unwrap_err().to_string().contains("data.verb"));
}

#[test]
fn several_files_make_one_thesaurus() {
    let files = [file("a.dat", "UTF-8\nglad|1\n-|happy\n"), file("b.txt", "Aa01A01= 人 士\n")];
    let thesaurus = Thesaurus::load(&files).unwrap();
    check(&thesaurus, "glad", 1, &["happy"]);
    check(&thesaurus, "士", 1, &["人"]);
}

#[test]
fn damage_is_reported_with_file_and_line() {
    fn check(name: &str, bytes: impl AsRef<[u8]>, expected: &str) {
        let error = load(name, bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(
        "a.dat",
        "UTF-8\nhappy|2\n(adj)|glad\nsad|1\n(adj)|blue\n",
        "a.dat:2: `happy` has fewer meanings",
    );
    check(
        "a.dat",
        "UTF-8\nhappy|1\n(adj)|glad\n(adj)|merry\n",
        "a.dat:4: `(adj)|merry` is not `word|",
    );
    check("a.dat", "KOI8-R\nx|1\n-|y\n", "is in the encoding KOI8-R");
    check("a.dat", b"UTF-8\nx|1\n-|\xff\n", "a.dat:3: is not UTF-8");
    check("a.txt", "Aa01A01= a b\nAa01 c d\n", "a.txt:2: `Aa01` is not a code");
    check("a.json", "{\"A\":", "a.json:1: not valid JSON");
    check("a.json", "{\"A\":{\"sub\":{}}}", "contains no synonym");
    check("a.txt", "Just some text.\nIn lines.\n", "is no thesaurus that sst knows");
    check("a.txt", " \n", "contains no synonym");
    let missing = Thesaurus::load(&["nowhere.dat".into()]).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read nowhere.dat"), "{missing}");
}
