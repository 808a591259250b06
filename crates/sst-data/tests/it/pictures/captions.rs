//! Captions as tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use sst_data::pictures::transform::PictureTransforms;
use sst_data::pictures::{
    CaptionChoice, CaptionTokens, PicturePreparation, PictureSource, Pictures, StoredPictures,
};
use sst_data::rows::{Dataset, Subset};
use sst_data::tokenize::{TrainConfig, train};
use sst_data::transform::{Context, Transforms};
use sst_data::{Key, Ledger};

use super::store::{png, write};

#[test]
fn each_truncated_caption_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "1.png", &png([1; 3], 2, 2));
    let lines = [
        json!({"image": "1.png", "en": ["light", "let there be light"], "de": ["licht"]}),
        json!({"image": "1.png", "en": ["let there be light", "be"], "de": ["es werde licht"]}),
    ];
    write(folder, "t.jsonl", lines.map(|line| format!("{line}\n")).concat().as_bytes());
    let config = TrainConfig { vocab_size: 60, min_frequency: 1, ..TrainConfig::default() };
    let texts = ["let there be light", "es werde licht"].map(str::to_owned);
    let tokenizer = train(&config, texts.into_iter()).unwrap();
    let most = tokenizer.encode("light").unwrap().len();
    assert!(tokenizer.encode("es werde licht").unwrap().len() > most);
    let template = tokenizer.special_token_template();
    let max_length = most + template.prefix.len() + template.suffix.len();

    let mut source = PictureSource::new([folder.join("t.jsonl").display().to_string()]);
    source.caption_fields = vec!["en".to_owned(), "de".to_owned()];
    let preparation = PicturePreparation {
        source: &source,
        stored: StoredPictures::default(),
        labels: None,
        ledger: &Ledger::new(),
        cache: &folder.join("cache"),
    };
    let store = preparation.prepare(&mut |_, _| {}).unwrap();
    let rows = |choice| {
        let rows = Pictures::new(Arc::clone(&store), PictureTransforms::none(), Subset::All);
        let tokens = CaptionTokens::uncounted(&tokenizer, max_length).unwrap();
        rows.unwrap().with_captions(choice).with_caption_tokens(tokens)
    };
    let counted = |choice| {
        let ledger = Ledger::new();
        let rows = rows(choice);
        rows.count_losses(&ledger).unwrap();
        // Reading rows counts nothing, however often it is done.
        for epoch in 0..20 {
            assert!(rows.get(1, epoch).unwrap().tokens("input_ids").unwrap().len() <= max_length);
        }
        assert_eq!(ledger.count("tokenize.unknown_tokens"), 0);
        ledger.count("captions.truncated")
    };
    // Of all captions, three are longer than a row; of those that are read first, that of the second picture.
    assert_eq!(counted(CaptionChoice::Draw { seed: 1 }), 3);
    assert_eq!(counted(CaptionChoice::First), 1);

    let ledger = Ledger::new();
    let tokens = CaptionTokens::new(&tokenizer, max_length, &ledger).unwrap();
    for text in ["light", "let there be light", "let there be light"] {
        tokens.ids(&Key::new("t.jsonl", 1), text).unwrap();
    }
    assert_eq!(ledger.count("captions.truncated"), 2);
}

#[test]
fn a_picture_with_captions_in_some_of_the_fields_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "1.png", &png([1; 3], 2, 2));
    let lines = [
        json!({"image": "1.png", "en": "light", "de": ["licht"]}),
        json!({"image": "1.png", "de": "tag"}),
        json!({"image": "1.png", "en": "night", "de": null}),
        json!({"image": "1.png", "en": [], "de": "nacht"}),
    ];
    write(folder, "t.jsonl", lines.map(|line| format!("{line}\n")).concat().as_bytes());
    let prepare = |fields: &[&str], ledger: &Ledger| {
        let mut source = PictureSource::new([folder.join("t.jsonl").display().to_string()]);
        source.caption_fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let preparation = PicturePreparation {
            source: &source,
            stored: StoredPictures::default(),
            labels: None,
            ledger,
            cache: &folder.join("cache"),
        };
        preparation.prepare(&mut |_, _| {})
    };
    let ledger = Ledger::new();
    let store = prepare(&["en", "de"], &ledger).unwrap();
    assert_eq!((store.num_pictures(), ledger.count("captions.missing")), (4, 3));
    let captions = |number| store.record(number).unwrap().captions.concat();
    assert_eq!(
        [0, 1, 2, 3].map(captions).map(|all| all.join(" ")),
        ["light licht", "tag", "night", "nacht"]
    );

    let texts = ["light licht tag night nacht".to_owned()];
    let config = TrainConfig { vocab_size: 60, min_frequency: 1, ..TrainConfig::default() };
    let tokenizer = train(&config, texts.into_iter()).unwrap();
    let drawn = |choice, row| {
        let rows = Pictures::new(Arc::clone(&store), PictureTransforms::none(), Subset::All);
        let tokens = CaptionTokens::uncounted(&tokenizer, 16).unwrap();
        let rows = rows.unwrap().with_captions(choice).with_caption_tokens(tokens);
        let ids = |epoch| rows.get(row, epoch).unwrap().tokens("input_ids").unwrap().to_vec();
        (0..20).map(ids).collect::<BTreeSet<_>>().len()
    };
    // Where there is one caption it is always drawn, and of two fields with one each both are.
    for (row, count) in [(0, 2), (1, 1), (2, 1), (3, 1)] {
        assert_eq!(drawn(CaptionChoice::Draw { seed: 1 }, row), count, "{row}");
        assert_eq!(drawn(CaptionChoice::First, row), 1, "{row}");
    }

    // A transform of captions changes the tokens, in another way in each epoch.
    let config = json!({"name": "augment", "kind": "deletion", "rate": 0.5});
    let transforms = Transforms::from_configs(1, &[config], &Context::default()).unwrap();
    let tokens = CaptionTokens::uncounted(&tokenizer, 16).unwrap();
    let whole = tokens.ids(&Key::new("t.jsonl", 1), "light licht").unwrap();
    write(folder, "two.jsonl", b"{\"image\": \"1.png\", \"en\": \"light licht\"}\n");
    let mut source = PictureSource::new([folder.join("two.jsonl").display().to_string()]);
    source.caption_fields = vec!["en".to_owned()];
    let cache = folder.join("cache");
    let stored = StoredPictures::default();
    let ledger = Ledger::new();
    let preparation = PicturePreparation {
        source: &source,
        stored,
        labels: None,
        ledger: &ledger,
        cache: &cache,
    };
    let two = preparation.prepare(&mut |_, _| {}).unwrap();
    let rows = Pictures::new(two, PictureTransforms::none(), Subset::All).unwrap();
    let rows = rows.with_caption_tokens(tokens).with_caption_transforms(transforms);
    let ids = |epoch| rows.get(0, epoch).unwrap().tokens("input_ids").unwrap().to_vec();
    let seen: BTreeSet<Vec<u32>> = (0..20).map(ids).collect();
    assert_eq!(seen.len(), 2, "one of the two words is left out");
    assert!(!seen.contains(&whole));

    // A field that no picture has a caption in is misspelled.
    let error = prepare(&["en", "de", "fr"], &Ledger::new()).unwrap_err();
    assert!(error.to_string().contains("no picture has a caption in the field `fr`"), "{error}");
    // A picture without any caption is an error.
    let error = prepare(&["en"], &Ledger::new()).unwrap_err();
    assert!(error.to_string().contains("t.jsonl:2"), "{error}");
}

#[test]
fn a_misspelt_field_is_answered_with_the_fields_of_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "1.png", &png([1; 3], 2, 2));
    write(folder, "t.jsonl", b"{\"image\": \"1.png\", \"en\": \"light\", \"kind\": \"a\"}\n");
    let read = |captions: &[&str], label: Option<&str>| {
        let mut source = PictureSource::new([folder.join("t.jsonl").display().to_string()]);
        source.caption_fields = captions.iter().map(|field| (*field).to_owned()).collect();
        source.label_field = label.map(str::to_owned);
        source.read(&Ledger::new(), &mut |_| Ok(())).unwrap_err().to_string()
    };
    for error in [read(&["english"], None), read(&[], Some("class"))] {
        assert!(error.contains("t.jsonl:1: field `") && error.contains("is missing"), "{error}");
        assert!(error.contains("`en`") && error.contains("`kind`"), "{error}");
    }
}
