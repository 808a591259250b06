//! The special tokens of a sequence of two texts, and the truncation of the two texts.

use tokenizers::{Encoding, Token};

use super::{TokenizeError, Tokenizer};

/// The special tokens of a sequence of two texts, and the token types (segment ids) of all its tokens: of BERT
/// `[CLS] A [SEP] B [SEP]`, with type 0 up to the first `[SEP]` and 1 after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairTemplate {
    /// Ids before the first text.
    pub prefix: Vec<u32>,
    /// Ids between the two texts.
    pub middle: Vec<u32>,
    /// Ids after the second text.
    pub suffix: Vec<u32>,
    /// The token types of the prefix, of each token of the first text, of the middle, of each token of the second text,
    /// and of the suffix.
    types: (Vec<u32>, u32, Vec<u32>, u32, Vec<u32>),
}

impl PairTemplate {
    /// The number of special tokens.
    pub fn num_special(&self) -> usize {
        self.prefix.len() + self.middle.len() + self.suffix.len()
    }

    /// The token ids of a pair and the token type of each.
    pub fn join(&self, first: &[u32], second: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let ids = [&self.prefix, first, &self.middle, second, &self.suffix].concat();
        let (prefix, of_first, middle, of_second, suffix) = &self.types;
        let mut types = prefix.clone();
        types.extend(std::iter::repeat_n(of_first, first.len()));
        types.extend(middle);
        types.extend(std::iter::repeat_n(of_second, second.len()));
        types.extend(suffix);
        (ids, types)
    }
}

/// The numbers of tokens that are kept of two texts of `first` and `second` tokens, if `room` tokens are allowed in
/// all. Tokens are removed from the longer text until both fit (`longest_first` of transformers).
pub fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    if first + second <= room {
        return (first, second);
    }
    let shorter = first.min(second);
    // If the shorter text fits half of the room, it stays whole. Otherwise each text gets half of the room, and the
    // longer one the odd token.
    let (short, long) = match shorter <= room / 2 {
        true => (shorter, room - shorter),
        false => (room / 2, room - room / 2),
    };
    if first > second { (long, short) } else { (short, long) }
}

impl Tokenizer {
    /// The special tokens around two texts in one sequence. They are found by running the post-processor on two texts
    /// of one token each.
    ///
    /// # Errors
    /// If the post-processor does not keep both texts exactly once and in order, or adds an id that is not in the
    /// vocabulary.
    pub fn pair_template(&self) -> Result<PairTemplate, TokenizeError> {
        let text = |id| Encoding::from_tokens(vec![Token::new(id, "x".to_owned(), (0, 1))], 0);
        let pair = self.guard(|| self.inner.library.post_process(text(0), Some(text(0)), true))?;
        let mask = pair.get_special_tokens_mask();
        let texts: Vec<usize> = (0..mask.len()).filter(|place| mask[*place] == 0).collect();
        let refused = |reason: String| TokenizeError::Run { name: self.inner.name.clone(), reason };
        let sequences: Vec<_> = texts.iter().map(|place| pair.token_to_sequence(*place)).collect();
        let &[first, second] = texts.as_slice() else {
            return Err(refused(
                "its post-processor does not keep each text of a pair once".into(),
            ));
        };
        if sequences != [Some(0), Some(1)] {
            return Err(refused("its post-processor swaps the texts of a pair".into()));
        }
        let (ids, types) = (pair.get_ids(), pair.get_type_ids());
        let special = ids.iter().zip(mask).filter(|(_, mask)| **mask != 0).map(|(id, _)| *id);
        if let Some(id) = special.into_iter().find(|id| *id as usize >= self.vocab_size()) {
            let what = "its post-processor adds id";
            return Err(refused(format!("{what} {id} to a pair, which is not in the vocabulary")));
        }
        Ok(PairTemplate {
            prefix: ids[..first].to_vec(),
            middle: ids[first + 1..second].to_vec(),
            suffix: ids[second + 1..].to_vec(),
            types: (
                types[..first].to_vec(),
                types[first],
                types[first + 1..second].to_vec(),
                types[second],
                types[second + 1..].to_vec(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_is_cut_first() {
        // The expected lengths of both texts are those of `tokenizer(a, b, truncation="longest_first", max_length=room
        // + 3)` of transformers 5.23, with 3 special tokens.
        let cases = [
            ((5, 5, 10), (5, 5)),
            ((3, 9, 10), (3, 7)),
            ((9, 3, 10), (7, 3)),
            ((8, 9, 10), (5, 5)),
            ((8, 9, 11), (5, 6)),
            ((9, 8, 11), (6, 5)),
            ((9, 9, 11), (5, 6)),
            ((5, 9, 11), (5, 6)),
            ((6, 6, 11), (5, 6)),
            ((7, 6, 11), (6, 5)),
            ((20, 20, 3), (1, 2)),
            ((20, 1, 3), (2, 1)),
        ];
        for ((first, second, room), expected) in cases {
            assert_eq!(longest_first(first, second, room), expected, "{first}, {second}, {room}");
        }
    }
}
