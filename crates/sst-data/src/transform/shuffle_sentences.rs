//! `shuffle_sentences`: the sentences of a text in another order each time that it is drawn (Lewis et al. 2020, "BART",
//! section 2.2).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{Change, Texts};
use crate::rng::SeqRng;
use crate::sentence::split_sentences;

pub(super) const ENTRY: Entry = Entry {
    name: "shuffle_sentences",
    summary: "the sentences of a text in a random order",
    default_config: || json!(ShuffleSentencesConfig::default()),
    is_random: true,
    takes_other_keys: false,
    build: |config, _| {
        let ShuffleSentencesConfig { columns } = parse(ENTRY.name, config)?;
        Ok(Box::new(Texts { columns, change: ShuffleSentences }))
    },
};

/// Which texts have their sentences shuffled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShuffleSentencesConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
}

struct ShuffleSentences;

impl Change for ShuffleSentences {
    /// Every order is as likely. White space stays where it is, between the sentences and around them.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String {
        let places = split_sentences(text);
        let mut order: Vec<usize> = (0..places.len()).collect();
        rng.shuffle(&mut order);
        let (mut shuffled, mut end) = (String::with_capacity(text.len()), 0);
        for (place, sentence) in places.iter().zip(order) {
            shuffled.push_str(&text[end..place.start]);
            shuffled.push_str(&text[places[sentence].clone()]);
            end = place.end;
        }
        shuffled.push_str(&text[end..]);
        shuffled
    }
}
