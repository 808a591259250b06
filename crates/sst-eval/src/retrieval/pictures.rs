//! Retrieval of captions by pictures, and of pictures by captions.
//!
//! Shapes: n pictures, m distinct captions, q queries of a block, c candidates, p width of the projected vectors.

use std::collections::HashMap;

use sst_core::{Model, Report};
use sst_data::Key;
use tch::Tensor;

use super::ENTRY;
use crate::error::EvalError;
use crate::input::{CaptionedPictures, NearPicture, ShowNearest};
use crate::intervals::Intervals;
use crate::metric::{best_rank, chance_hit_rate_at_k, chance_reciprocal_rank};
use crate::normalize::normalize_rows;
use crate::pictures::{CaptionEncoder, PictureEncoder, PictureVector};

/// The first so many entries among which a hit counts.
const DEPTHS: [usize; 3] = [1, 5, 10];
/// Queries whose scores are computed at once.
const BLOCK: i64 = 256;

/// The distinct captions, and which belong to which picture.
struct Captions {
    /// Each caption, with the key of the first picture that has it.
    distinct: Vec<(Key, String)>,
    /// For each picture, the numbers of its captions.
    of_picture: Vec<Vec<usize>>,
    /// For each caption, the pictures that have it.
    pictures: Vec<Vec<usize>>,
}

impl Captions {
    fn new(data: &CaptionedPictures<'_>) -> Self {
        let (mut numbers, mut distinct) = (HashMap::new(), Vec::new());
        let (mut of_picture, mut pictures) = (Vec::new(), Vec::<Vec<usize>>::new());
        for (picture, captions) in data.captions.iter().enumerate() {
            let mut own = Vec::new();
            for caption in captions {
                let number = *numbers.entry(caption.as_str()).or_insert_with(|| {
                    distinct.push((data.rows.key(picture as u64), caption.clone()));
                    pictures.push(Vec::new());
                    distinct.len() - 1
                });
                if !own.contains(&number) {
                    own.push(number);
                    pictures[number].push(picture);
                }
            }
            of_picture.push(own);
        }
        Self { distinct, of_picture, pictures }
    }
}

/// Reports, for both directions, the share of queries with a hit among the first 1, 5 and 10, and the mean reciprocal rank,
/// each with its interval and with what chance reaches. Counts `pictures`, `captions` (distinct ones),
/// `captions_of_several_pictures` and `pictures_with_such_captions`.
pub(super) fn measure(
    data: &mut CaptionedPictures<'_>,
    model: &dyn Model,
    batch_size: usize,
    bootstrap_samples: usize,
) -> Result<Report, EvalError> {
    if data.rows.is_empty() || data.captions.len() as u64 != data.rows.len() {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    }
    let captions = Captions::new(data);
    if captions.of_picture.iter().any(Vec::is_empty) {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    }
    let texts = CaptionEncoder::new(model, &data.tokens, batch_size)?;
    let images = PictureEncoder::new(model, PictureVector::Projected, batch_size)?;
    // The captions first: they are the part that can be refused.
    let texts_mp = normalize_rows(&texts.vectors(&captions.distinct, &data.ledger)?.0)?;
    let images_np = normalize_rows(&images.vectors(&*data.rows)?)?;
    let (mut metrics, mut examples) = (Vec::new(), Vec::new());
    let intervals = Intervals::of(bootstrap_samples);
    for (direction, queries, candidates, relevant) in [
        ("image_to_text", &images_np, &texts_mp, &captions.of_picture),
        ("text_to_image", &texts_mp, &images_np, &captions.pictures),
    ] {
        let ranks = ranks(queries, candidates, relevant)?;
        let count = candidates.size()[0] as usize;
        let mut add =
            |name: String, value: &dyn Fn(usize) -> f64, chance: &dyn Fn(usize) -> f64| {
                let scores: Vec<f64> = ranks.iter().map(|rank| value(*rank)).collect();
                let mean = |sample: &[usize]| {
                    let sum: f64 = sample.iter().map(|at| scores[*at]).sum();
                    (!sample.is_empty()).then(|| sum / sample.len() as f64)
                };
                intervals.add(&mut metrics, &name, scores.len(), mean)?;
                let chances = relevant.iter().map(|relevant| chance(relevant.len()));
                metrics.push((format!("chance_{name}"), chances.sum::<f64>() / ranks.len() as f64));
                examples.push((name, scores));
                Ok::<_, EvalError>(())
            };
        for k in DEPTHS {
            let hit = |rank: usize| f64::from(u8::from(rank <= k));
            let chance = |relevant| chance_hit_rate_at_k(count, relevant, k);
            add(format!("{direction}_recall@{k}"), &hit, &chance)?;
        }
        let chance = |relevant| chance_reciprocal_rank(count, relevant);
        add(format!("{direction}_mrr"), &|rank| 1.0 / rank as f64, &chance)?;
    }
    if let Some(show) = &mut data.show {
        nearest_pictures(show, &captions, &texts_mp, &images_np)?;
    }
    let shared = |numbers: &Vec<usize>| numbers.iter().any(|at| captions.pictures[*at].len() > 1);
    let several = captions.pictures.iter().filter(|pictures| pictures.len() > 1).count();
    let counts = [
        ("pictures", captions.of_picture.len() as u64),
        ("captions", captions.distinct.len() as u64),
        ("captions_of_several_pictures", several as u64),
        (
            "pictures_with_such_captions",
            captions.of_picture.iter().filter(|numbers| shared(numbers)).count() as u64,
        ),
    ];
    let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
    let report = Report::new(ENTRY.name, metrics, counts);
    Ok(examples.into_iter().fold(report, |report, (name, scores)| {
        report.with_examples(&name, scores.into_iter().map(|score| (score, 1.0)))
    }))
}

/// The rank of the best relevant candidate of each query.
fn ranks(
    queries: &Tensor,
    candidates: &Tensor,
    relevant: &[Vec<usize>],
) -> Result<Vec<usize>, EvalError> {
    let count = queries.size()[0];
    let mut ranks = Vec::with_capacity(relevant.len());
    for first in (0..count).step_by(BLOCK as usize) {
        let block = queries.f_narrow(0, first, BLOCK.min(count - first))?;
        let scores_qc = block.f_matmul(&candidates.f_transpose(0, 1)?)?;
        for row in 0..scores_qc.size()[0] {
            let scores = Vec::<f32>::try_from(scores_qc.f_get(row)?)?;
            let mut is_own = vec![false; scores.len()];
            relevant[(first + row) as usize].iter().for_each(|at| is_own[*at] = true);
            // Every query has a relevant candidate, and so a rank.
            ranks.extend(best_rank(&scores, |at| is_own[at]));
        }
    }
    Ok(ranks)
}

/// Shows the nearest pictures to the first captions of some pictures.
fn nearest_pictures(
    show: &mut ShowNearest<'_>,
    captions: &Captions,
    texts_mp: &Tensor,
    images_np: &Tensor,
) -> Result<(), EvalError> {
    let count = (show.count as i64).min(images_np.size()[0]);
    for picture in show.pictures.clone() {
        let Some(caption) = captions.of_picture.get(picture).and_then(|own| own.first()) else {
            continue;
        };
        let scores_n = images_np.f_mv(&texts_mp.f_get(*caption as i64)?)?;
        let (_, places) = scores_n.f_topk(count, 0, true, true)?;
        let has_caption = |place: &usize| captions.pictures[*caption].contains(place);
        let nearest: Vec<NearPicture> = Vec::<i64>::try_from(&places)?
            .into_iter()
            .map(|place| place as usize)
            .map(|picture| NearPicture { picture, has_caption: has_caption(&picture) })
            .collect();
        (show.each)(picture, &nearest);
    }
    Ok(())
}
