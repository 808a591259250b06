//! Prediction of masked tokens.

use sst_eval::fill_mask::fill_mask;

use crate::toy::{Fixed, tokenizer};

#[test]
fn the_most_probable_token_comes_first_with_its_probability() {
    let tokenizer = tokenizer();
    let (v, light) = (tokenizer.vocab_size(), tokenizer.id("light").unwrap());
    let model = Fixed::favouring(v, light, 2.0);
    let masks = fill_mask(&model, &tokenizer, "Let there be [MASK]!", 3).unwrap();
    assert_eq!(masks.len(), 1);
    // The row is [CLS] let there be [MASK] ! [SEP].
    assert_eq!(masks[0].position, 4);
    let predictions = &masks[0].predictions;
    assert_eq!(predictions.len(), 3);
    assert_eq!((predictions[0].token.as_str(), predictions[0].id), ("light", light));
    assert_eq!(predictions[0].sequence, "Let there be light!");
    let p = 2_f64.exp() / (2_f64.exp() + v as f64 - 1.0);
    assert!((predictions[0].probability - p).abs() < 1e-6);
    assert!((predictions[0].log_probability - p.ln()).abs() < 1e-6);
    assert!(predictions.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
}

#[test]
fn each_mask_token_is_replaced_separately() {
    let tokenizer = tokenizer();
    let model = Fixed::favouring(tokenizer.vocab_size(), tokenizer.id("god").unwrap(), 2.0);
    let masks = fill_mask(&model, &tokenizer, "[MASK] said [MASK] be", 1).unwrap();
    let sequences: Vec<&str> =
        masks.iter().map(|mask| mask.predictions[0].sequence.as_str()).collect();
    assert_eq!(sequences, ["god said [MASK] be", "[MASK] said god be"]);
    assert_eq!([masks[0].position, masks[1].position], [1, 3]);
}

#[test]
fn a_continuation_token_is_joined_to_the_previous_word() {
    let tokenizer = tokenizer();
    let (id, token) = (0..tokenizer.vocab_size() as u32)
        .find_map(|id| tokenizer.token(id).filter(|t| t.starts_with("##")).map(|t| (id, t)))
        .unwrap();
    let model = Fixed::favouring(tokenizer.vocab_size(), id, 2.0);
    let masks = fill_mask(&model, &tokenizer, "let [MASK] be", 1).unwrap();
    let expected = format!("let{} be", token.trim_start_matches('#'));
    assert_eq!(masks[0].predictions[0].sequence, expected);
}

#[test]
fn ids_outside_of_the_tokenizers_vocabulary_are_not_predicted() {
    let tokenizer = tokenizer();
    let v = tokenizer.vocab_size();
    let model = Fixed::favouring(v + 5, v as u32 + 2, 9.0);
    let masks = fill_mask(&model, &tokenizer, "let [MASK] be", v + 5).unwrap();
    assert_eq!(masks[0].predictions.len(), v);
    assert!(masks[0].predictions.iter().all(|candidate| (candidate.id as usize) < v));
}

#[test]
fn errors_say_why_a_text_cannot_be_filled() {
    let tokenizer = tokenizer();
    let v = tokenizer.vocab_size();
    let check = |model: &Fixed, text: &str, expected: &str| {
        let error = fill_mask(model, &tokenizer, text, 5).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&Fixed::uniform(v), "no mask token here", "holds no [MASK]");
    // A model with a smaller vocabulary reads only texts whose tokens it has.
    let light = tokenizer.encode("light").unwrap()[0] as usize;
    let text = "light [MASK]";
    check(&Fixed::uniform(light), text, "the model does not know");
    check(&Fixed::uniform(light), text, "\"light [MASK]\"");
    assert!(fill_mask(&Fixed::uniform(light), &tokenizer, "[MASK]", 5).is_ok());
    let mut short = Fixed::uniform(v);
    short.max_length = 6;
    check(&short, "let there be light and [MASK]", "the model reads at most 6");
}
