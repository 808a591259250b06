//! English function words. An entry of a thesaurus for one of them means a different word.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The words in lower case. A thesaurus lists some of them as nouns: can (tin), will (testament), I (iodine).
const WORDS: &str = "
    a about above after again against all almost alone along also although always am among an
    and another any anyone anything are around as at away back be because been before being
    below between both but by can cannot could did do does doing done down during each either
    else even ever every everyone everything few for from further had has have having he her
    here hers herself him himself his how however i if in into is it its itself just least less
    let like many may me might mine more most much must my myself neither never no nobody none
    nor not nothing now of off often on once one only onto or other others ought our ours
    ourselves out over own per perhaps quite rather said same shall she should since so some somebody
    someone something still such than that the their theirs them themselves then there therefore
    these they this those though through thus till to together too toward towards two under
    unless until up upon us very was we well were what whatever when where whether which while
    who whole whom whose why will with within without would yes yet you your yours yourself
";

/// Whether `word`, which is in lower case, is a function word.
pub(super) fn is_stop_word(word: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> =
        LazyLock::new(|| WORDS.split_ascii_whitespace().collect());
    SET.contains(word)
}
