//! Whole-word masking of Chinese text selects the same words with every tokenizer. Words are compared by their character
//! ranges in the text.

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::words::word_ranges;
use sst_data::{ArrayData, Collate, Example, Field, Key};
use sst_objectives::mlm::{MlmCollate, MlmConfig, Unit};

/// Lines from the first 300 kB of the bundled novel, cut into parts of at most 60 characters.
fn novel() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/sanguo.txt.gz");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).take(300_000).read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('\u{fffd}'));
    let mut parts = Vec::new();
    for line in lines {
        let line: Vec<char> = line.chars().collect();
        parts.extend(line.chunks(60).map(|part| part.iter().collect::<String>()));
    }
    parts
}

fn trained(algorithm: Algorithm, texts: &[String], vocab_size: usize) -> Tokenizer {
    let config = TrainConfig { algorithm, vocab_size, ..TrainConfig::default() };
    train(&config, texts.iter().cloned()).unwrap()
}

/// The result of masking some texts.
struct Masked {
    /// For each text, the words whose tokens spell nothing of another word, and whether they were selected.
    words: Vec<Vec<(Range<usize>, bool)>>,
    num_tokens: usize,
    num_selected: usize,
    rows_without_selection: usize,
}

fn mask(tokenizer: &Tokenizer, texts: &[String], unit: Unit) -> Masked {
    let config = MlmConfig { unit, ..MlmConfig::default() };
    let collate = MlmCollate::new(config, tokenizer, false).unwrap();
    let mut masked =
        Masked { words: Vec::new(), num_tokens: 0, num_selected: 0, rows_without_selection: 0 };
    for (index, text) in texts.iter().enumerate() {
        let encoding = tokenizer.encoding(text).unwrap();
        let row = Example::new(
            Key::new("sanguo", index as u64 + 1),
            index as u64,
            "input_ids",
            Field::Tokens(encoding.ids.clone()),
        );
        let batch = collate.collate(&[row], 3).unwrap();
        let Some(ArrayData::I64(positions)) =
            batch.get("masked_positions").map(|array| array.data())
        else {
            panic!("no positions");
        };
        let selected: HashSet<usize> = positions.iter().map(|at| *at as usize).collect();
        masked.num_tokens += encoding.ids.len();
        masked.num_selected += selected.len();
        masked.rows_without_selection += usize::from(selected.is_empty());
        let mut words = Vec::new();
        for word in word_ranges(text) {
            let overlaps_word = |at: &usize| {
                let (start, end) = encoding.offsets[*at];
                start < word.end && end > word.start
            };
            let tokens: Vec<usize> = (0..encoding.ids.len()).filter(overlaps_word).collect();
            // A token may include white space, but no part of another word.
            let is_only_this_word = |at: &usize| {
                let (start, end) = encoding.offsets[*at];
                text[start..word.start.max(start)].trim().is_empty()
                    && text[word.end.min(end)..end].trim().is_empty()
            };
            let hits = tokens.iter().filter(|at| selected.contains(at)).count();
            let is_known =
                tokens.iter().all(|at| Some(encoding.ids[*at]) != tokenizer.special().unk);
            assert!(
                !is_known || hits == 0 || hits == tokens.len(),
                "only some tokens of {:?} are masked",
                &text[word]
            );
            if is_known && tokens.iter().all(is_only_this_word) {
                words.push((word, hits > 0));
            }
        }
        masked.words.push(words);
    }
    masked
}

#[test]
fn wordpiece_bpe_and_unigram_mask_the_same_words() {
    let texts = novel();
    assert!(texts.len() > 1500, "{}", texts.len());
    let algorithms = [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram];
    let tokenizers = algorithms.map(|algorithm| trained(algorithm, &texts, 4000));
    for unit in [Unit::Word, Unit::Span] {
        let all: Vec<Masked> = tokenizers.iter().map(|t| mask(t, &texts, unit)).collect();
        for (masked, algorithm) in all.iter().zip(algorithms) {
            let n = masked.num_tokens as f64;
            let rate = masked.num_selected as f64 / n;
            // The 99.9 % interval of a binomial distribution.
            let tolerance = 3.29 * (0.15 * 0.85 / n).sqrt();
            assert!(
                (rate - 0.15).abs() < tolerance,
                "{algorithm:?} {unit:?}: {rate}, not 0.15 +- {tolerance}"
            );
            let without = masked.rows_without_selection as f64 / texts.len() as f64;
            assert!(without < 0.02, "{algorithm:?} {unit:?}: {without} of the rows have no mask");
        }
        // Compare each tokenizer with the first one, on the words that both spell with whole tokens.
        let (mut equal, mut compared) = (0, 0);
        for other in &all[1..] {
            for (first_words, other_words) in all[0].words.iter().zip(&other.words) {
                let first: std::collections::HashMap<_, _> = first_words.iter().cloned().collect();
                for (word, is_selected) in other_words {
                    let Some(is_selected_by_first) = first.get(word) else { continue };
                    compared += 1;
                    equal += usize::from(is_selected_by_first == is_selected);
                }
            }
        }
        println!("{unit:?}: {equal} of {compared}");
        assert!(compared > 50_000, "{compared}");
        assert!(
            equal as f64 >= 0.995 * compared as f64,
            "{unit:?}: only {equal} of {compared} words are treated equally"
        );
    }
}

/// Texts whose words the pre-tokenizers do not separate. Each text is masked 40 times.
#[test]
fn whole_words_of_other_scripts_are_masked() {
    let texts = [
        "昨天晚上老师在iPhone上练习观察星星，OK吗？",
        "今日は天気がいいので、ハイキングに行きました。",
        "오늘은 날씨가 좋아서 산책을 했습니다.",
        "great 👍🏽 job 🎉🎉 team 👨‍👩‍👧!",
        "l'été à Łódź don't stop",
    ]
    .map(str::to_owned);
    let corpus: Vec<String> = texts.iter().flat_map(|text| vec![text.clone(); 3]).collect();
    for algorithm in [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram] {
        let tokenizer = trained(algorithm, &corpus, 420);
        let rows: Vec<String> = (0..40).flat_map(|_| texts.clone()).collect();
        for unit in [Unit::Word, Unit::Span] {
            let masked = mask(&tokenizer, &rows, unit);
            assert!(
                masked.num_selected > 0 && masked.rows_without_selection < rows.len(),
                "{algorithm:?} {unit:?}"
            );
            let words: usize = masked.words.iter().map(Vec::len).sum();
            assert!(
                words > rows.len(),
                "{algorithm:?}: only {words} words consist of whole tokens"
            );
        }
    }
}
