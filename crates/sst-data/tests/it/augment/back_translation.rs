//! Back-translation: lines, space and special tokens of a text, and Apertium itself.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use sst_data::Ledger;
use sst_data::augment::translate::{Apertium, Translator};
use sst_data::augment::{Augment, BackTranslation, Context, build};

use super::fake::{Fake, server, texts};
use super::{kind, view};

fn fake(there: fn(&str) -> String, back: fn(&str) -> String) -> (BackTranslation, Ledger) {
    let context = Context::default();
    let ledger = context.ledger.clone();
    (BackTranslation::new(Box::new(Fake::new(there)), Box::new(Fake::new(back)), &context), ledger)
}

#[test]
fn lines_are_translated_and_all_else_stays() {
    let (kind, ledger) = fake(|text| format!("<{text}>"), |text| text.replace("one", "two"));
    fn check(kind: &BackTranslation, text: &str, expected: &str) {
        assert_eq!(view(kind, text, 0), expected);
    }
    check(&kind, "  one \r\n\n--- 1 ---\n\tone\n", "  <two> \r\n\n--- 1 ---\n\t<two>\n");
    check(&kind, "", "");
    check(&kind, " \n ", " \n ");
    check(&kind, "一", "<一>");
    assert!(ledger.entries().is_empty());
}

#[test]
fn special_tokens_stay_or_the_text_does() {
    let (kind, ledger) = fake(|text| text.to_lowercase(), |text| format!("{text}."));
    let draws = [sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 }; 3];
    let asked = ["The [MASK] sat", "The cat", "<mask> sat"].map(str::to_owned).to_vec();
    let views = kind.augment(asked, &draws).unwrap();
    assert_eq!(views, ["The [MASK] sat", "the cat.", "<mask> sat."]);
    assert_eq!(ledger.count("augment.back_translation.special_tokens"), 1);
}

#[test]
fn a_batch_keeps_its_order() {
    let (kind, _) = fake(|text| text.chars().rev().collect(), |text| format!("{text}!"));
    let asked: Vec<String> = (0..500).map(|i| ["", "a\nb", "c"][i % 3].repeat(i % 7)).collect();
    let draw = sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 };
    let views = kind.augment(asked.clone(), &vec![draw; 500]).unwrap();
    let alone: Vec<String> = asked.iter().map(|text| view(&kind, text, 0)).collect();
    assert_eq!(views, alone);
}

#[test]
fn a_server_is_asked_both_ways() {
    let url = server(|request| {
        let (from, to) = (request["source"].as_str().unwrap(), request["target"].as_str().unwrap());
        let answers: Vec<String> =
            texts(request).iter().map(|text| format!("{text} {from}>{to}")).collect();
        (200, json!({"translatedText": answers}).to_string(), Duration::ZERO)
    });
    let cache = tempfile::tempdir().unwrap();
    let config = json!({"translator": url, "pair": "zh-Hans:en", "cache": cache.path()});
    let kind = kind("back_translation", &config);
    assert_eq!(view(&*kind, "你好", 0), "你好 zh-Hans>en en>zh-Hans");
    // Both ways are kept now.
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 2);
}

#[test]
fn a_translator_that_fails_fails_the_batch() {
    let config = json!({"translator": "no-such-program"});
    let kind = build("back_translation", &config, &Context::default()).unwrap();
    let draw = sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 };
    let error = kind.augment(vec!["one".into()], &[draw]).unwrap_err().to_string();
    assert!(error.contains("cannot start no-such-program"), "{error}");
    assert_eq!(kind.augment(vec!["1".into()], &[draw]).unwrap(), ["1"], "nothing to translate");
}

/// Whether Apertium has English and Spanish. Says so if it has not, past the test's captured output.
fn has_apertium() -> bool {
    let listed = Command::new("apertium").arg("-l").output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let has =
        listed.is_ok_and(|list| ["eng-spa", "spa-eng"].iter().all(|pair| list.contains(pair)));
    if !has {
        let told = writeln!(
            std::io::stderr(),
            "SKIPPED: Apertium is not installed (apt-get install apertium apertium-eng-spa)"
        );
        told.unwrap();
    }
    has
}

#[test]
fn apertium_itself() {
    if !has_apertium() {
        return;
    }
    let timeout = Duration::from_secs(60);
    let mut apertium = Apertium::new("apertium", "eng-spa", timeout).unwrap();
    // As lines of one input, the adjective of the first goes to the second.
    let texts =
        ["the big", "house is red", "The house is red.", "10/2 [x] <b> {y} $5 @ ~ \\ ^z^", "中文"];
    let texts = texts.map(str::to_owned);
    let together = apertium.translate(&texts).unwrap();
    assert_eq!(together[1..3], ["La casa es roja", "La casa es roja."]);
    assert_eq!(together[3..], ["10/2 [x] <b> {y} $5 @ ~ \\ ^z^", "中文"]);
    // However they are put together, each text has the translation that it has alone.
    for (text, expected) in texts.iter().zip(&together) {
        let alone = apertium.translate(std::slice::from_ref(text)).unwrap();
        assert_eq!(alone, std::slice::from_ref(expected));
    }
    let many: Vec<String> = (0..300).map(|i| texts[i % 3].clone()).collect();
    let answers = apertium.translate(&many).unwrap();
    assert!(answers.iter().enumerate().all(|(i, answer)| *answer == together[i % 3]));

    let kind = kind("back_translation", &json!({}));
    let text = "Neoclassicism came mostly after 1900.\n\n  The [MASK] is red.";
    let back = view(&*kind, text, 0);
    assert!(back != text && back.contains("\n\n  ") && back.contains("[MASK]"), "{back}");

    let mut wrong = Apertium::new("apertium", "eng-xxx", timeout).unwrap();
    let error = wrong.translate(&texts).unwrap_err().to_string();
    assert!(error.contains("eng-xxx does not exist"), "{error}");
}

/// Texts dense in what means something between Apertium's programs: in none does it lose its place.
#[test]
fn apertium_keeps_in_step_whatever_a_text_holds() {
    if !has_apertium() {
        return;
    }
    const PARTS: &[&str] = &[
        "the",
        "house",
        "New",
        "York",
        "I",
        "don't",
        "中文",
        "é",
        "3.5",
        "a@b.c",
        "*",
        "^",
        "^^",
        "$",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "@",
        "/",
        "\\",
        "~",
        "+",
        "#",
        "&amp;",
        "\"",
        "—",
        "…",
        ".",
        "!",
        "?",
        ",",
        "😀",
        "\u{200d}",
        "\u{ad}",
        "\u{a0}",
        "\t",
        "  ",
        "\u{0}",
        "\n",
        "[[t:b:1]]",
        "[sst 1]",
        "<STREAMCMD:FLUSH>",
        "^a/b<n>$",
        "[MASK]",
        " ",
        " ",
        " ",
    ];
    let mut rng = sst_data::SeqRng::new(0, "test.apertium", 0, 0);
    let texts: Vec<String> = (0..1500)
        .map(|_| {
            let parts = (0..1 + rng.below(14))
                .map(|_| PARTS[rng.below(PARTS.len() as u64) as usize])
                .collect::<String>();
            if rng.chance(0.5) { format!("a{parts}") } else { format!("{parts}a") }
        })
        .collect();
    for pair in ["eng-spa", "spa-eng"] {
        let mut apertium = Apertium::new("apertium", pair, Duration::from_secs(60)).unwrap();
        assert_eq!(apertium.translate(&texts).unwrap().len(), texts.len());
    }
}
