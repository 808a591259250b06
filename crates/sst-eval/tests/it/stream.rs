//! Streams of text against the tokenizer's own decoding of the whole, for decoders that join, strip and merge.

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
    let whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": decoder,
        "model": model,
    });
    Tokenizer::from_json("t", whole.to_string().as_bytes()).unwrap()
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

/// In the way of Llama 2: bytes where there is no token, and the first space taken away.
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

/// One token a byte, and some that end a character and begin the next.
fn byte_level() -> Tokenizer {
    let mut tokens = vec!["<unk>".to_owned()];
    tokens.extend((0..=255).map(|byte| letter(byte).to_string()));
    let joined: [&[u8]; 5] =
        [b"\xf0\x9f", b"\xf0\x9f\x98", b"\x80\xf0\x9f\x98", b"\xa4\xa9\xe5", b"\xbd\xef\xbf"];
    tokens.extend(joined.map(|bytes| bytes.iter().map(|byte| letter(*byte)).collect()));
    let decoder = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    tokenizer(bpe(&tokens), decoder, &[(0, "<unk>")])
}

/// GPT-2's letter for a byte.
fn letter(byte: u8) -> char {
    let is_own = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    match is_own(byte) {
        true => char::from(byte),
        false => {
            let before = (0..byte).filter(|other| !is_own(*other)).count() as u32;
            char::from_u32(256 + before).unwrap()
        }
    }
}

/// All that a stream told, and the text it ends with.
fn streamed(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> (String, String) {
    let mut stream = TextStream::new(tokenizer, &[], prompt).unwrap();
    let mut told = String::new();
    for id in ids {
        told.push_str(stream.push(*id).unwrap());
    }
    told.push_str(stream.finish().unwrap());
    (told, stream.text().to_owned())
}

/// What follows the prompt when both are decoded at once.
fn whole(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> String {
    let before = tokenizer.decode(prompt, true).unwrap();
    let after = tokenizer.decode(&[prompt, ids].concat(), true).unwrap();
    after.strip_prefix(&before).unwrap().to_owned()
}

fn check(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32], want: &str) {
    let (told, text) = streamed(tokenizer, prompt, ids);
    assert_eq!((told.as_str(), text.as_str()), (want, want), "{prompt:?} {ids:?}");
}

#[test]
fn the_first_new_token_keeps_its_space() {
    let (llama, meta) = (llama2(), metaspace());
    for (tokenizer, word) in [(&llama, 259), (&meta, 2)] {
        let (the, cat, s) = (word + 1, word + 2, word + 4);
        check(tokenizer, &[the], &[cat, s], " cats");
        check(tokenizer, &[the], &[word, cat], "  cat");
        check(tokenizer, &[the, s], &[s, cat], "s cat");
        // At the beginning of a text the decoder takes it away.
        check(tokenizer, &[], &[cat, s], "cats");
        // A special token between does not make it the beginning.
        check(tokenizer, &[the, 1], &[cat], " cat");
        check(tokenizer, &[the], &[s, 1, 1, cat], "s cat");
    }
}

#[test]
fn characters_in_several_tokens_are_never_lost() {
    let tokenizer = byte_level();
    let bytes =
        |text: &[u8]| -> Vec<u32> { text.iter().map(|byte| u32::from(*byte) + 1).collect() };
    // Stray bytes, a character, half of one at the end.
    check(&tokenizer, &[], &bytes(b"\xff\xfe\xfd\xe5\xa4\xa9!"), "\u{fffd}\u{fffd}\u{fffd}天!");
    check(&tokenizer, &[], &bytes(b"a\xe5\xa4"), "a\u{fffd}");
    // Tokens over the borders of emoji, as many as there may be.
    for count in 1..20 {
        let ids = [vec![258], vec![259; count - 1], vec![0x81]].concat();
        check(&tokenizer, &bytes(b"x"), &ids, &"\u{1f600}".repeat(count));
    }
    // A prompt that ends in the middle of a character, which the first tokens complete or do not.
    check(&tokenizer, &bytes(b"a\xe5"), &bytes(b"\xa4\xa9b"), "天b");
    check(&tokenizer, &bytes(b"a\xe5\xa4"), &bytes(b"b"), "b");
    // A prompt that ends in the mark of a broken character itself.
    let mark = bytes("a\u{fffd}".as_bytes());
    check(&tokenizer, &mark, &bytes("天".as_bytes()), "天");
    check(&tokenizer, &mark, &[0, u32::from(b'b') + 1], "b");
    let llama = llama2();
    let bytes =
        |text: &[u8]| -> Vec<u32> { text.iter().map(|byte| u32::from(*byte) + 3).collect() };
    check(&llama, &[260], &[bytes("🚀😀".as_bytes()), vec![262]].concat(), "🚀😀a");
    check(&llama, &[260], &bytes("🚀😀".as_bytes()), "🚀😀");
    // A special token is left out before bytes are joined.
    let split = [bytes(b"\xe5"), vec![1], bytes(b"\xa4\xa9"), vec![262]].concat();
    check(&llama, &[260], &split, "天a");
    // One byte too many, and the run is none of it characters: nothing was told that was taken back.
    let run = [bytes("天".as_bytes()), bytes(b"\xe5"), vec![262]].concat();
    check(&llama, &[260], &run, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}a");
}

proptest! {
    /// Whatever a model says, the stream is the tokenizer's text of it.
    #[test]
    fn a_stream_is_the_decoding_of_the_whole(
        which in 0..3_usize, prompt in prop::collection::vec(any::<u32>(), 0..6),
        ids in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        let tokenizer = [llama2(), metaspace(), byte_level()][which].clone();
        // Half of the tokens are words, where bytes are most of the vocabulary.
        let size = tokenizer.vocab_size() as u32;
        let pick = |x: &u32| if x.is_multiple_of(2) { x / 2 % size } else { size - 1 - x / 2 % 12.min(size) };
        let (prompt, ids): (Vec<u32>, Vec<u32>) =
            (prompt.iter().map(pick).collect(), ids.iter().map(pick).collect());
        let before = tokenizer.decode(&prompt, true).unwrap();
        let after = tokenizer.decode(&[prompt.as_slice(), &ids].concat(), true).unwrap();
        // A prompt whose own end changes has a test of its own.
        prop_assume!(after.starts_with(&before));
        let want = whole(&tokenizer, &prompt, &ids);
        let (told, text) = streamed(&tokenizer, &prompt, &ids);
        prop_assert_eq!((told.as_str(), text.as_str()), (want.as_str(), want.as_str()));
    }
}
