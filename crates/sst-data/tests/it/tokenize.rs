//! Tokenizers load and equal transformers' BertTokenizer.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sst_data::tokenize::{Algorithm, TokenizeError, Tokenizer, TrainConfig, train};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first lines of a bundled book.
pub(crate) fn book(name: &str, lines: usize) -> Vec<String> {
    let file = fs::File::open(root().join("corpora").join(name)).unwrap();
    let text = std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).take(lines).map(str::to_owned).collect()
}

/// Compares every text of the golden file under one configuration.
#[test]
fn a_vocab_txt_encodes_like_transformers() {
    let golden = root().join("tests/goldens/tokenizer");
    let case: Value = serde_json::from_slice(&fs::read(golden.join("case.json")).unwrap()).unwrap();
    let texts: Vec<&str> =
        case["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let cases = case["cases"].as_array().unwrap();
    assert!(texts.len() > 50 && cases.len() == 6);
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(golden.join("vocab.txt"), folder.path().join("vocab.txt")).unwrap();
        let settings = case["settings"].to_string();
        fs::write(folder.path().join("tokenizer_config.json"), &settings).unwrap();
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        for (text, ids) in texts.iter().zip(case["ids"].as_array().unwrap()) {
            let found = tokenizer.encode_with_special(text).unwrap();
            let found: Vec<_> = found.iter().map(u32::to_string).collect();
            assert_eq!(found.join(" "), ids.as_str().unwrap(), "{settings}: {text:?}");
        }
    }
}

fn bert(vocab: &str, config: Option<Value>) -> Result<Tokenizer, TokenizeError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vocab.txt"), vocab).unwrap();
    if let Some(config) = config {
        fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    }
    Tokenizer::load(folder.path())
}

const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##able\nable\n,\n中\n";

#[test]
fn special_tokens_template_and_continuation() {
    let tokenizer = bert(VOCAB, None).unwrap();
    let special = tokenizer.special();
    let roles = [special.pad, special.unk, special.cls, special.sep, special.mask];
    assert_eq!(roles, [0, 1, 2, 3, 4].map(Some));
    assert_eq!((special.bos, special.eos), (None, None));
    assert_eq!(special.all, [0, 1, 2, 3, 4]);
    assert_eq!(
        (&*tokenizer.special_token_template().prefix, &*tokenizer.special_token_template().suffix),
        (&[2][..], &[3][..])
    );
    let continues: Vec<_> = (0_u32..).zip(tokenizer.continuation()).filter(|c| c.1).collect();
    assert_eq!(continues, [(6, true)]);
    assert_eq!(tokenizer.vocab_size(), 10);
    assert_eq!(tokenizer.id("##able"), Some(6));
    assert_eq!(tokenizer.token(9).as_deref(), Some("中"));
    assert_eq!(tokenizer.token(10), None);
}

#[test]
fn offsets_are_bytes_and_words_are_counted() {
    let encoding = bert(VOCAB, None).unwrap().encoding("中, Unable").unwrap();
    assert_eq!(encoding.ids, [9, 8, 5, 6]);
    assert_eq!(encoding.offsets, [(0, 3), (3, 4), (5, 7), (7, 11)]);
    assert_eq!(encoding.word_ids, [0, 1, 2, 2].map(Some));
}

#[test]
fn decoding() {
    let tokenizer = bert(VOCAB, None).unwrap();
    let ids = tokenizer.encode_with_special("unable, able").unwrap();
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "unable, able");
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), "[CLS] unable, able [SEP]");
    let error = tokenizer.decode(&[10], true).unwrap_err();
    assert!(matches!(error, TokenizeError::UnknownId { id: 10, vocab_size: 10, .. }), "{error}");
}

#[test]
fn line_endings_do_not_matter() {
    let ids = |vocab: &str| bert(vocab, None).unwrap().encode("unable, 中").unwrap();
    assert_eq!(ids(VOCAB), ids(&VOCAB.replace('\n', "\r\n")));
    assert_eq!(ids(VOCAB), ids(VOCAB.trim_end()));
}

#[test]
fn a_vocab_txt_of_another_kind_is_refused() {
    let refused = |vocab, config| bert(vocab, config).unwrap_err().to_string();
    assert!(refused("a\nb\n", None).contains("no line \"[UNK]\""));
    let japanese = json!({"tokenizer_class": "BertJapaneseTokenizer"});
    assert!(refused(VOCAB, Some(japanese)).contains("BertJapaneseTokenizer"));
    assert!(bert(VOCAB, Some(json!({"tokenizer_class": "BertTokenizerFast"}))).is_ok());
    let text = refused(VOCAB, Some(json!([])));
    assert!(text.contains("tokenizer_config.json"), "{text}");
}

#[test]
fn an_added_token_without_a_line_follows_the_vocabulary() {
    let added = |token| json!({"added_tokens_decoder": {"10": {"content": token}}});
    assert_eq!(bert(VOCAB, Some(added("able"))).unwrap().vocab_size(), 10);
    let tokenizer = bert(VOCAB, Some(added("[NEW]"))).unwrap();
    assert_eq!((tokenizer.id("[NEW]"), tokenizer.vocab_size()), (Some(10), 11));
    assert_eq!(tokenizer.encode("un[NEW]able").unwrap(), [5, 10, 7]);
}

/// As in transformers: the class has a mask token, and adds it where the vocabulary has none.
#[test]
fn special_tokens_of_the_class_are_added() {
    let tokenizer = bert("[UNK]\na\n", None).unwrap();
    let special = tokenizer.special();
    assert_eq!(
        [special.unk, special.sep, special.pad, special.cls, special.mask],
        [0, 2, 3, 4, 5].map(Some)
    );
    assert_eq!(
        (&*tokenizer.special_token_template().prefix, &*tokenizer.special_token_template().suffix),
        (&[4][..], &[2][..])
    );
    let none = json!({"mask_token": null, "cls_token": null, "sep_token": null});
    let tokenizer = bert("[UNK]\na\n", Some(none)).unwrap();
    assert_eq!(tokenizer.special().mask, None);
    assert!(tokenizer.special_token_template().prefix.is_empty());
}

#[test]
fn roles_come_from_the_configuration() {
    let config = json!({"mask_token": {"content": "un"}, "pad_token": null});
    let tokenizer = bert(VOCAB, Some(config)).unwrap();
    assert_eq!((tokenizer.special().mask, tokenizer.special().pad), (Some(5), None));
}

#[test]
fn an_empty_folder_and_a_missing_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = Tokenizer::load(folder.path()).unwrap_err().to_string();
    assert!(text.contains("no tokenizer.json, no vocab.txt"), "{text}");
    let text = Tokenizer::load(&folder.path().join("no.json")).unwrap_err().to_string();
    assert!(text.contains("no.json"), "{text}");
}

#[test]
fn encoding_in_parallel_changes_nothing() {
    let tokenizer = Tokenizer::load(&root().join("tests/goldens/tokenizer/vocab.txt")).unwrap();
    let texts = book("sanguo.txt.gz", 200);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let one: Vec<_> = texts.iter().map(|text| tokenizer.encode(text).unwrap()).collect();
    assert_eq!(tokenizer.encode_batch(&texts).unwrap(), one);
    assert!(one.iter().all(|ids| !ids.is_empty()));
}

proptest::proptest! {
    /// With the cache, words are encoded one by one; `encoding` encodes the whole text.
    #[test]
    fn cached_words_change_nothing(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                " ", " ", "  ", "\n", "\t", "\u{3000}", "\u{a0}", "the", "The", "'s", "don't", "naïve", "e",
                "\u{301}", "[MASK]", "[SEP]", "[", "<mask>", "道可道", "。", "12", "3", "Σ", "ΟΣ", "-", "_",
                "\u{200b}", "🙂", "fear", "unto", "begat", "pneumonoultramicroscopicsilicovolcanoconiosis-and-more",
            ]),
            0..40,
        )
    ) {
        let text = parts.concat();
        for tokenizer in tokenizers_with_a_cache() {
            // Encoding the text again uses the cached ids.
            for _ in 0..2 {
                let ids = tokenizer.encode(&text).unwrap();
                proptest::prop_assert_eq!(ids, tokenizer.encoding(&text).unwrap().ids, "{:?}", text);
            }
        }
    }
}

/// Tokenizers of BERT and of byte-level BPE, cased and uncased.
fn tokenizers_with_a_cache() -> &'static [Tokenizer] {
    static ALL: std::sync::OnceLock<Vec<Tokenizer>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let vocab = root().join("tests/goldens/tokenizer/vocab.txt");
        let mut all = vec![Tokenizer::load(&vocab).unwrap()];
        for (algorithm, lowercase) in [
            (Algorithm::Bpe, true),
            (Algorithm::Bpe, false),
            (Algorithm::WordPiece, true),
            (Algorithm::WordPiece, false),
        ] {
            let config =
                TrainConfig { algorithm, lowercase, vocab_size: 600, ..TrainConfig::default() };
            all.push(train(&config, book("kjv.txt.gz", 300).into_iter()).unwrap());
        }
        all
    })
}

/// Long texts are cut and encoded in parts; `encoding` never cuts.
#[test]
fn a_long_text_is_encoded_as_if_whole() {
    let tokenizer = Tokenizer::load(&root().join("tests/goldens/tokenizer/vocab.txt")).unwrap();
    let awkward = "naïve [MASK] [SEP]。[CLS]e\u{301} 。\u{301}x \u{301}\t\u{3000}\u{a0}Ωσς don't";
    let texts = [book("sanguo.txt.gz", 400).concat(), book("kjv.txt.gz", 4000).join(" ")];
    let text = texts.join(awkward) + awkward;
    let whole = text.repeat(3);
    assert!(whole.len() > 1 << 21, "{}", whole.len());
    assert_eq!(tokenizer.encode(&whole).unwrap(), tokenizer.encoding(&whole).unwrap().ids);
    let one_word = "x".repeat(3 << 20);
    assert_eq!(tokenizer.encode(&one_word).unwrap(), [tokenizer.special().unk.unwrap()]);
}

#[test]
fn a_long_text_is_encoded_as_if_whole_by_unigram() {
    let lines = [book("kjv.txt.gz", 3000), book("sanguo.txt.gz", 60)].concat();
    let algorithm = Algorithm::Unigram;
    let config = TrainConfig { algorithm, vocab_size: 1500, ..TrainConfig::default() };
    let tokenizer = train(&config, lines.iter().cloned()).unwrap();
    let awkward =
        "  naïve [MASK] [SEP]。[CLS]e\u{301} 。\u{301}x \u{301}\t\u{3000}\u{a0}Ωσς don't ";
    for joint in [" ", "\n", awkward] {
        let whole = lines.join(joint).repeat(3);
        assert!(whole.len() > 1 << 20, "{}", whole.len());
        assert_eq!(tokenizer.encode(&whole).unwrap(), tokenizer.encoding(&whole).unwrap().ids);
    }
}
