//! Compares text streams with the decoding of the whole sequence, for decoders whose text of a token depends on other
//! tokens.

use proptest::prelude::*;
use serde_json::{Value, json};
use sst_data::tokenize::Tokenizer;
use sst_eval::generate::TextStream;

fn tokenizer(model: Value, decoder: Value, special: &[(u32, &str)]) -> Tokenizer {
    let added: Vec<Value> = special
        .iter()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": decoder,
        "model": model,
    });
    Tokenizer::from_json("t", tokenizer.to_string().as_bytes()).unwrap()
}

fn bpe(tokens: &[String]) -> Value {
    let vocab: serde_json::Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    json!({"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
           "merges": []})
}

const WORDS: [&str; 10] =
    ["\u{2581}", "\u{2581}the", "\u{2581}cat", "a", "s", "天", "é", "\u{fffd}", ".", "<mask>"];

/// A tokenizer like that of Llama 2, with byte fallback, and a decoder that removes the first space.
fn llama2() -> Tokenizer {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(WORDS.map(str::to_owned));
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]});
    tokenizer(bpe(&tokens), decoder, &[(0, "<unk>"), (1, "<s>"), (2, "</s>")])
}

fn metaspace() -> Tokenizer {
    let mut tokens = vec!["<unk>".to_owned(), "</s>".to_owned()];
    tokens.extend(WORDS.map(str::to_owned));
    let decoder = json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always",
                         "split": true});
    tokenizer(bpe(&tokens), decoder, &[(0, "<unk>"), (1, "</s>")])
}

/// A byte-level BPE tokenizer with a token for each byte, and tokens that contain parts of two characters.
fn byte_level() -> Tokenizer {
    let mut tokens = vec!["<unk>".to_owned()];
    tokens.extend((0..=255).map(|byte| letter(byte).to_string()));
    let joined: [&[u8]; 5] =
        [b"\xf0\x9f", b"\xf0\x9f\x98", b"\x80\xf0\x9f\x98", b"\xa4\xa9\xe5", b"\xbd\xef\xbf"];
    tokens.extend(joined.map(|bytes| bytes.iter().map(|byte| letter(*byte)).collect()));
    let decoder = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    tokenizer(bpe(&tokens), decoder, &[(0, "<unk>")])
}

/// The character for a byte in GPT-2's byte-to-unicode table.
fn letter(byte: u8) -> char {
    let is_printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    match is_printable(byte) {
        true => char::from(byte),
        false => {
            let number = (0..byte).filter(|other| !is_printable(*other)).count() as u32;
            char::from_u32(256 + number).unwrap()
        }
    }
}

/// The concatenation of all texts that a stream returned, and its whole text.
fn streamed(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> (String, String) {
    let mut stream = TextStream::new(tokenizer, &[], prompt).unwrap();
    let mut returned = String::new();
    for id in ids {
        returned.push_str(stream.push(*id).unwrap());
    }
    returned.push_str(stream.finish().unwrap());
    (returned, stream.text().to_owned())
}

/// The text after the prompt if prompt and new tokens are decoded at once.
fn decoded_at_once(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> String {
    let before = tokenizer.decode(prompt, true).unwrap();
    let after = tokenizer.decode(&[prompt, ids].concat(), true).unwrap();
    after.strip_prefix(&before).unwrap().to_owned()
}

fn check(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32], want: &str) {
    let (returned, text) = streamed(tokenizer, prompt, ids);
    assert_eq!((returned.as_str(), text.as_str()), (want, want), "{prompt:?} {ids:?}");
}

#[test]
fn the_first_new_token_keeps_its_space() {
    let (llama, meta) = (llama2(), metaspace());
    for (tokenizer, word) in [(&llama, 259), (&meta, 2)] {
        let (the, cat, s) = (word + 1, word + 2, word + 4);
        check(tokenizer, &[the], &[cat, s], " cats");
        check(tokenizer, &[the], &[word, cat], "  cat");
        check(tokenizer, &[the, s], &[s, cat], "s cat");
        // At the beginning of a text, the decoder removes the space.
        check(tokenizer, &[], &[cat, s], "cats");
        // A token after a special token is not at the beginning of the text.
        check(tokenizer, &[the, 1], &[cat], " cat");
        check(tokenizer, &[the], &[s, 1, 1, cat], "s cat");
    }
}

#[test]
fn characters_of_several_tokens_are_complete() {
    let tokenizer = byte_level();
    let bytes =
        |text: &[u8]| -> Vec<u32> { text.iter().map(|byte| u32::from(*byte) + 1).collect() };
    // Invalid bytes, then a character, then an ordinary letter.
    check(&tokenizer, &[], &bytes(b"\xff\xfe\xfd\xe5\xa4\xa9!"), "\u{fffd}\u{fffd}\u{fffd}天!");
    check(&tokenizer, &[], &bytes(b"a\xe5\xa4"), "a\u{fffd}");
    // Tokens that contain the end of one emoji and the start of the next.
    for count in 1..20 {
        let ids = [vec![258], vec![259; count - 1], vec![0x81]].concat();
        check(&tokenizer, &bytes(b"x"), &ids, &"\u{1f600}".repeat(count));
    }
    // A prompt that ends in the middle of a character. The first new tokens complete it in one case only.
    check(&tokenizer, &bytes(b"a\xe5"), &bytes(b"\xa4\xa9b"), "天b");
    check(&tokenizer, &bytes(b"a\xe5\xa4"), &bytes(b"b"), "b");
    // A prompt whose text ends in the replacement character itself.
    let prompt = bytes("a\u{fffd}".as_bytes());
    check(&tokenizer, &prompt, &bytes("天".as_bytes()), "天");
    check(&tokenizer, &prompt, &[0, u32::from(b'b') + 1], "b");
    let llama = llama2();
    let bytes =
        |text: &[u8]| -> Vec<u32> { text.iter().map(|byte| u32::from(*byte) + 3).collect() };
    check(&llama, &[260], &[bytes("🚀😀".as_bytes()), vec![262]].concat(), "🚀😀a");
    check(&llama, &[260], &bytes("🚀😀".as_bytes()), "🚀😀");
    // Special tokens are removed before bytes are joined.
    let split = [bytes(b"\xe5"), vec![1], bytes(b"\xa4\xa9"), vec![262]].concat();
    check(&llama, &[260], &split, "天a");
    // With one invalid byte, the whole run of byte tokens becomes replacement characters. The stream must not have
    // returned the valid character before.
    let run = [bytes("天".as_bytes()), bytes(b"\xe5"), vec![262]].concat();
    check(&llama, &[260], &run, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}a");
}

proptest! {
    #[test]
    fn a_stream_of_any_tokens_equals_the_decoding_of_the_whole_sequence(
        which in 0..3_usize, prompt in prop::collection::vec(any::<u32>(), 0..6),
        ids in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        let tokenizer = [llama2(), metaspace(), byte_level()][which].clone();
        // Half of the ids are from the end of the vocabulary, because bytes are most of two vocabularies.
        let size = tokenizer.vocab_size() as u32;
        let pick = |x: &u32| if x.is_multiple_of(2) { x / 2 % size } else { size - 1 - x / 2 % 12.min(size) };
        let (prompt, ids): (Vec<u32>, Vec<u32>) =
            (prompt.iter().map(pick).collect(), ids.iter().map(pick).collect());
        let before = tokenizer.decode(&prompt, true).unwrap();
        let after = tokenizer.decode(&[prompt.as_slice(), &ids].concat(), true).unwrap();
        // If new tokens change the text of the prompt itself, the text has no simple definition; the test above has such
        // prompts.
        prop_assume!(after.starts_with(&before));
        let want = decoded_at_once(&tokenizer, &prompt, &ids);
        let (returned, text) = streamed(&tokenizer, &prompt, &ids);
        prop_assert_eq!((returned.as_str(), text.as_str()), (want.as_str(), want.as_str()));
    }
}
