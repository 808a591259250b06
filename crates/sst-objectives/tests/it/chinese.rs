//! Words of Chinese text are masked alike whatever the tokenizer, measured in characters of the text.

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::words::word_ranges;
use sst_data::{ArrayData, Collate, Example, Field, Key};
use sst_objectives::mlm::{MlmCollate, MlmConfig, Unit};

/// Lines of the first 300 kB of the bundled novel, in parts of some 60 characters.
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

/// What was masked of the texts.
struct Masked {
    /// For each text, the words that tokens of their own spell, and whether they were masked.
    words: Vec<Vec<(Range<usize>, bool)>>,
    tokens: usize,
    chosen: usize,
    rows_without: usize,
}

fn mask(tokenizer: &Tokenizer, texts: &[String], unit: Unit) -> Masked {
    let config = MlmConfig { unit, ..MlmConfig::default() };
    let collate = MlmCollate::new(config, tokenizer, false).unwrap();
    let mut masked = Masked { words: Vec::new(), tokens: 0, chosen: 0, rows_without: 0 };
    for (index, text) in texts.iter().enumerate() {
        let encoding = tokenizer.encoding(text).unwrap();
        let row = Example::new(
            Key::new("sanguo", index as u64 + 1),
            index as u64,
            "input_ids",
            Field::Tokens(encoding.ids.clone()),
        );
        let batch = collate.collate(&[row], 3).unwrap();
        let Some(ArrayData::I64(chosen)) = batch.get("masked_positions").map(|array| array.data())
        else {
            panic!("no positions");
        };
        let chosen: HashSet<usize> = chosen.iter().map(|at| *at as usize).collect();
        masked.tokens += encoding.ids.len();
        masked.chosen += chosen.len();
        masked.rows_without += usize::from(chosen.is_empty());
        let mut words = Vec::new();
        for word in word_ranges(text) {
            let inside = |at: &usize| {
                let (start, end) = encoding.offsets[*at];
                start < word.end && end > word.start
            };
            let tokens: Vec<usize> = (0..encoding.ids.len()).filter(inside).collect();
            // A token may take white space with it, but nothing of another word.
            let own = |at: &usize| {
                let (start, end) = encoding.offsets[*at];
                text[start..word.start.max(start)].trim().is_empty()
                    && text[word.end.min(end)..end].trim().is_empty()
            };
            let hits = tokens.iter().filter(|at| chosen.contains(at)).count();
            let known = tokens.iter().all(|at| Some(encoding.ids[*at]) != tokenizer.special().unk);
            assert!(
                !known || hits == 0 || hits == tokens.len(),
                "{:?} is masked in part",
                &text[word]
            );
            if known && tokens.iter().all(own) {
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
            let (n, rate) = (masked.tokens as f64, masked.chosen as f64 / masked.tokens as f64);
            let half = 3.29 * (0.15 * 0.85 / n).sqrt();
            assert!(
                (rate - 0.15).abs() < half,
                "{algorithm:?} {unit:?}: {rate}, not 0.15 +- {half}"
            );
            let without = masked.rows_without as f64 / texts.len() as f64;
            assert!(without < 0.02, "{algorithm:?} {unit:?}: {without} of the rows have no mask");
        }
        let (mut same, mut shared) = (0, 0);
        for other in &all[1..] {
            for (a, b) in all[0].words.iter().zip(&other.words) {
                let of_a: std::collections::HashMap<_, _> = a.iter().cloned().collect();
                let both = b.iter().filter_map(|(word, hit)| Some(of_a.get(word)? == hit));
                for equal in both {
                    shared += 1;
                    same += usize::from(equal);
                }
            }
        }
        println!("{unit:?}: {same} of {shared}");
        assert!(shared > 50_000, "{shared}");
        assert!(
            same as f64 >= 0.995 * shared as f64,
            "{unit:?}: {same} of {shared} words are masked alike"
        );
    }
}

/// Texts whose words a pre-tokenizer does not show: one row each, masked many times.
#[test]
fn words_of_other_scripts_are_masked_whole() {
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
                masked.chosen > 0 && masked.rows_without < rows.len(),
                "{algorithm:?} {unit:?}"
            );
            let words: usize = masked.words.iter().map(Vec::len).sum();
            assert!(words > rows.len(), "{algorithm:?}: {words} words have tokens of their own");
        }
    }
}
