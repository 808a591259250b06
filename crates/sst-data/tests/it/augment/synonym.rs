//! Synonyms: case, names, Chinese.

use serde_json::json;

use super::{file, kind, view};

/// Every view of `text` at a rate of one.
fn views(thesaurus: &str, text: &str) -> Vec<String> {
    let name = if thesaurus.starts_with("UTF-8") { "th.dat" } else { "cilin.txt" };
    let kind = kind("synonym", &json!({"rate": 1.0, "files": [file(name, thesaurus)]}));
    let mut views: Vec<String> = (0..40).map(|seed| view(&*kind, text, seed)).collect();
    views.sort();
    views.dedup();
    views
}

const ENGLISH: &str = "UTF-8
happy|2
(adj)|glad|merry|unhappy (antonym)|content (similar term)
(adj)|felicitous|well-chosen
can|1
(noun)|tin|tin can
paris|1
(noun)|City of Light|Paris|Lutetia
rose|2
(noun)|blush
(noun)|Rose
smith|1
(noun)|metalworker
u2|1
(noun)|band
";

#[test]
fn synonyms_keep_the_case() {
    assert_eq!(views(ENGLISH, "happy, happily"), ["glad, happily", "merry, happily"]);
    assert_eq!(views(ENGLISH, "\"Happy.\""), ["\"Glad.\"", "\"Merry.\""]);
    assert_eq!(views(ENGLISH, "SO HAPPY!"), ["SO GLAD!", "SO MERRY!"]);
}

#[test]
fn names_are_left_alone() {
    for text in [
        // The words are inside a sentence, in capitals among others, with digits, and in mixed case.
        "Mr. Smith met Happy.",
        "The HAPPY few",
        "u2 and U2",
        "a hAppy end",
        // The word is at the start of a sentence, but the thesaurus or the rest of the text shows that it is a name.
        "Paris sleeps. Rose woke.",
        "I know Happy. Happy knows me.",
        // Function words are kept.
        "I can.",
        // The thesaurus does not list the inflected form.
        "the smiths",
    ] {
        assert_eq!(views(ENGLISH, text), [text]);
    }
    assert_eq!(
        views(ENGLISH, "Smith it. The smith sang."),
        ["Metalworker it. The metalworker sang."]
    );
}

#[test]
fn more_meanings_are_an_option() {
    let files = [file("th.dat", ENGLISH)];
    let kind = kind("synonym", &json!({"rate": 1.0, "files": files, "senses": 3}));
    let views: Vec<String> = (0..60).map(|seed| view(&*kind, "happy", seed)).collect();
    for word in ["glad", "merry", "content", "felicitous", "well-chosen"] {
        assert!(views.iter().any(|view| view == word), "{word}");
    }
}

#[cfg(feature = "jieba")]
#[test]
fn chinese_words_are_replaced_and_names_are_not() {
    let cilin = "Ga01A01= 高兴 快乐 愉快 欢\r\nAa01A01= 人 士\r\nCb25A11= 北京 京城\r\nGa01A02# 美丽 好看\r\n";
    let text = "他今天很高兴，北京的人很美丽。";
    assert_eq!(
        views(cilin, text),
        ["他今天很快乐，北京的人很美丽。", "他今天很愉快，北京的人很美丽。"]
    );
}

#[test]
fn the_rate_counts_words_without_synonyms() {
    // One word in ten is replaced at a rate of 0.1: the rate applies to all words, and not only to those with
    // synonyms.
    let text = "x x x x x x x x x happy";
    let kind = kind("synonym", &json!({"rate": 0.1, "files": [file("th.dat", ENGLISH)]}));
    assert!((0..20).all(|seed| view(&*kind, text, seed) != text));
    let none = super::kind("synonym", &json!({"rate": 0.0, "files": [file("th.dat", ENGLISH)]}));
    assert!((0..20).all(|seed| view(&*none, text, seed) == text));
}
