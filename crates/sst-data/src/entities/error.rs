//! The errors of labels and entities.

use super::scheme::EntityScheme;

/// Why labels could not be read, or entities could not be written as labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// A label that is none of any scheme.
    #[error(
        "`{0}` is not the label of a token: write O, or one of B, I, M, E, L, S, U and W with the type of the entity, \
         such as B-PER"
    )]
    BadLabel(String),
    /// A label of another scheme.
    #[error("the label `{label}` is not one of {scheme}, whose labels begin with {}", scheme.letters())]
    OtherScheme {
        /// The label.
        label: String,
        /// The scheme that was asked for.
        scheme: EntityScheme,
    },
    /// Labels that no scheme has together.
    #[error("no scheme has the labels {labels} together: there are {}", EntityScheme::names())]
    NoScheme {
        /// The labels.
        labels: String,
    },
    /// Labels without one for the tokens outside of all entities.
    #[error("the labels {labels} have no `O` for tokens outside of every entity")]
    NoOutside {
        /// The labels.
        labels: String,
    },
    /// The name of no scheme.
    #[error("there is no scheme `{name}`; there are {}", EntityScheme::names())]
    UnknownScheme {
        /// The name.
        name: String,
    },
    /// An entity without tokens, or one beyond the end of its sequence.
    #[error(
        "an entity of the tokens {start} to {end} does not lie in a sequence of {length} tokens: the end is the position \
         after its last token"
    )]
    OutOfRange {
        /// Its first token.
        start: usize,
        /// The position after its last token.
        end: usize,
        /// The number of tokens.
        length: usize,
    },
    /// Two entities that share a token.
    #[error(
        "the entities that begin at the tokens {first} and {second} overlap: a sequence of labels holds one entity a token"
    )]
    Overlap {
        /// The first token of the one.
        first: usize,
        /// The first token of the other.
        second: usize,
    },
    /// Scores that do not fit the labels.
    #[error(
        "there are {found} scores, which is not a multiple of the {labels} labels: give one score for each token and label"
    )]
    Scores {
        /// The number of scores.
        found: usize,
        /// The number of labels.
        labels: usize,
    },
    /// A score that is no number.
    #[error(
        "the score of token {token} for label {label} is NaN: the model's weights may be damaged"
    )]
    NotANumber {
        /// The token.
        token: usize,
        /// The index of the label.
        label: usize,
    },
    /// A table of labels in which a sequence cannot be labelled.
    #[error("no sequence of {length} of these labels is legal in {scheme}: add the label O")]
    NoLegalSequence {
        /// The number of tokens.
        length: usize,
        /// The scheme.
        scheme: EntityScheme,
    },
}
