//! Metrics of named entities, by type.
//!
//! An entity that was found counts as right if its type, its first and its last token are those of a gold entity
//! (Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task", section 2.4). Figures over labels
//! are given by two [`Reading`]s, which differ on sequences that their scheme does not allow: the lenient one flatters a
//! model that writes `I-X I-X` for `B-X I-X`.

use std::collections::{BTreeMap, HashSet};

use sst_data::entities::{Entity, EntityError, EntityScheme, read_lenient, read_strict};

use super::class_counts::{Averages, ClassCounts, MacroOver};
use super::error::{MetricError, check_length};

/// How entities are read out of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Wherever a label is not `O` ([`read_lenient`]): seqeval without `mode="strict"`.
    Lenient,
    /// Only as the scheme says ([`read_strict`]): seqeval with `mode="strict"` and the scheme.
    Strict(EntityScheme),
}

impl Reading {
    /// The entities of a sequence of labels.
    ///
    /// # Errors
    /// [`EntityError`] for labels that are none of the scheme.
    pub fn read<S: AsRef<str>>(self, labels: &[S]) -> Result<Vec<Entity<'_>>, EntityError> {
        match self {
            Self::Lenient => read_lenient(labels),
            Self::Strict(scheme) => read_strict(labels, scheme),
        }
    }
}

/// The counts of each type of entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// The counts of each type that occurs, gold or predicted, by its name. `true_positives` are the entities of one
    /// type, first and last token.
    pub types: BTreeMap<String, ClassCounts>,
    /// As `types`, with an entity as right if it shares a token with one of the same type. `true_positives` are the gold
    /// entities that share a token with a predicted one.
    pub overlaps: BTreeMap<String, OverlapCounts>,
}

/// The counts of entities of one type that share a token with one of the other side.
///
/// Nothing is matched one to one: a predicted entity over two gold ones overlaps with both. With one entity a token at
/// most, an entity without an overlap is one that no token was recognised of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlapCounts {
    /// The gold entities.
    pub gold: u64,
    /// Those of them that share a token with a predicted entity of their type.
    pub gold_found: u64,
    /// The predicted entities.
    pub predicted: u64,
    /// Those of them that share a token with a gold entity of their type.
    pub predicted_right: u64,
}

impl EntityCounts {
    /// The averages over the types that occur. Without any entity all figures are 0.
    pub fn averages(&self) -> Averages {
        let types: Vec<ClassCounts> = self.types.values().copied().collect();
        Averages::new(&types, MacroOver::Occurring)
    }

    /// The counts of all types together.
    pub fn total(&self) -> ClassCounts {
        let mut total = ClassCounts::default();
        self.types.values().for_each(|counts| total += *counts);
        total
    }

    /// Adds the entities of one sequence. An entity that stands twice in a list counts once.
    pub fn add(&mut self, gold: &[Entity<'_>], predicted: &[Entity<'_>]) {
        let gold: HashSet<Entity<'_>> = gold.iter().copied().collect();
        let predicted: HashSet<Entity<'_>> = predicted.iter().copied().collect();
        for entity in &gold {
            let counts = self.types.entry(entity.label.to_owned()).or_default();
            counts.gold += 1;
            counts.true_positives += u64::from(predicted.contains(entity));
            let overlaps = self.overlaps.entry(entity.label.to_owned()).or_default();
            overlaps.gold += 1;
            overlaps.gold_found += u64::from(overlaps_any(entity, &predicted));
        }
        for entity in &predicted {
            self.types.entry(entity.label.to_owned()).or_default().predicted += 1;
            let overlaps = self.overlaps.entry(entity.label.to_owned()).or_default();
            overlaps.predicted += 1;
            overlaps.predicted_right += u64::from(overlaps_any(entity, &gold));
        }
    }
}

fn overlaps_any(entity: &Entity<'_>, others: &HashSet<Entity<'_>>) -> bool {
    let overlaps = |other: &Entity<'_>| entity.start < other.end && other.start < entity.end;
    others.iter().any(|other| other.label == entity.label && overlaps(other))
}

/// The counts of entities, sequence by sequence. The entities of a sequence are those of its gold labels and those that
/// were predicted; gold entities that a model never saw belong into the list too, so that they count as missed.
///
/// # Errors
/// [`MetricError::Length`] if there are not as many predicted as gold sequences.
pub fn entity_counts(
    gold: &[Vec<Entity<'_>>],
    predicted: &[Vec<Entity<'_>>],
) -> Result<EntityCounts, MetricError> {
    check_length("predicted sequences", predicted.len(), gold.len())?;
    let mut counts = EntityCounts::default();
    gold.iter().zip(predicted).for_each(|(gold, predicted)| counts.add(gold, predicted));
    Ok(counts)
}

/// The counts of the entities of labels, sequence by sequence.
///
/// # Errors
/// [`MetricError::Length`] if there are not as many predicted as gold sequences, or labels in one of them, and
/// [`MetricError::Entities`] for labels that are none of the scheme.
pub fn entity_counts_of_labels<G: AsRef<str>, P: AsRef<str>>(
    gold: &[Vec<G>],
    predicted: &[Vec<P>],
    reading: Reading,
) -> Result<EntityCounts, MetricError> {
    check_length("predicted sequences", predicted.len(), gold.len())?;
    let mut counts = EntityCounts::default();
    for (sequence, (gold, predicted)) in gold.iter().zip(predicted).enumerate() {
        check_length("predicted labels of a sequence", predicted.len(), gold.len())?;
        let named = |error| MetricError::Entities { sequence, error };
        let gold = reading.read(gold).map_err(named)?;
        counts.add(&gold, &reading.read(predicted).map_err(named)?);
    }
    Ok(counts)
}
