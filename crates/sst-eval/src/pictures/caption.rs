//! Computes the vectors of captions.
//!
//! Shapes: b captions of a batch, n captions, d width of a vector.

use sst_core::{Forward, HeadKind, Modality, Model, RaggedRows, Tokens, encode_projected};
use sst_data::pictures::CaptionTokens;
use sst_data::tokenize::UnknownCount;
use sst_data::{Key, Ledger};
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;

/// Computes the vectors of captions with the text encoder of a model, projected into the space that pictures and texts
/// share.
pub struct CaptionEncoder<'m> {
    model: &'m dyn Model,
    tokens: &'m CaptionTokens,
    batch_size: usize,
    autocast: Option<Kind>,
}

impl<'m> CaptionEncoder<'m> {
    /// An encoder of `batch_size` captions at a time. `tokens` counts those that are cut.
    ///
    /// # Errors
    /// If the model has no text encoder, or no projection of it.
    pub fn new(
        model: &'m dyn Model,
        tokens: &'m CaptionTokens,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        model.text_encoder()?;
        model.head(HeadKind::Projection(Modality::Text))?;
        Ok(Self { model, tokens, batch_size: batch_size.max(1), autocast: None })
    }

    /// With matrix products of this type, if it differs from that of the weights.
    #[must_use]
    pub fn with_autocast(self, autocast: Option<Kind>) -> Self {
        Self { autocast, ..self }
    }

    /// The vectors `[n, d]` of `captions`, in their order, in fp32 on the CPU, and the number of their tokens. The key of a
    /// caption says in errors where it is from. Tokens that the tokenizer does not know are counted in `ledger`.
    ///
    /// # Errors
    /// If there is no caption, one has no token, its vector is not finite, or libtorch fails.
    pub fn vectors(
        &self,
        captions: &[(Key, String)],
        ledger: &Ledger,
    ) -> Result<(Tensor, u64), EvalError> {
        let mut unknown = UnknownCount::new();
        let (vectors, tokens) = self.encode(captions, &mut unknown, ledger)?;
        unknown.report(ledger, tokens);
        Ok((vectors, tokens))
    }

    /// [`Self::vectors`] of a part of all captions. The caller reports `unknown` after the last part.
    ///
    /// # Errors
    /// As for [`Self::vectors`].
    pub fn encode(
        &self,
        captions: &[(Key, String)],
        unknown: &mut UnknownCount,
        ledger: &Ledger,
    ) -> Result<(Tensor, u64), EvalError> {
        let _weights = sst_kernels::keep_weights();
        let mut rows = Vec::with_capacity(captions.len());
        for (key, caption) in captions {
            let ids = self.tokens.ids(key, caption)?;
            let tokenizer = self.tokens.tokenizer();
            let count = tokenizer.count_unknown(&ids);
            unknown.add(tokenizer, caption, count, Some(key), ledger)?;
            rows.push(ids);
        }
        let tokens = rows.iter().map(|ids| ids.len() as u64).sum();
        // Captions of similar length are encoded together, the longest ones first.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(rows[*place].len()));
        let mut parts = Vec::new();
        for batch in order.chunks(self.batch_size) {
            let vectors = tch::no_grad(|| self.batch(batch.iter().map(|place| &*rows[*place])))?;
            let is_finite = Vec::<bool>::try_from(&vectors.f_isfinite()?.f_all_dim(1, false)?)?;
            if let Some((place, _)) = batch.iter().zip(is_finite).find(|(_, is_finite)| !is_finite)
            {
                let (_, caption) = &captions[*place];
                return Err(EvalError::NotFinite(format!("the vector of `{caption}`")));
            }
            parts.push(vectors);
        }
        if parts.is_empty() {
            return Err(EvalError::Nothing("an evaluator of captions".to_owned()));
        }
        let mut places = vec![0_i64; order.len()];
        for (row, place) in (0..).zip(&order) {
            places[*place] = row;
        }
        let sorted = Tensor::f_cat(&parts, 0)?;
        Ok((sorted.f_index_select(0, &Tensor::f_from_slice(&places)?)?, tokens))
    }

    fn batch<'r>(&self, rows: impl Iterator<Item = &'r [u32]>) -> Result<Tensor, EvalError> {
        let device = self.model.params().device();
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        for row in rows {
            ids.extend(row.iter().map(|id| i64::from(*id)));
            lengths.push(row.len());
        }
        let rows = RaggedRows::new(&lengths, device);
        let ids_t = Tensor::f_from_slice(&ids)?.f_to_device(device)?;
        let _autocast =
            self.autocast.map(|kind| sst_kernels::autocast(device, Some(kind))).transpose()?;
        let input = Tokens::ragged(&ids_t, &rows);
        let vectors = encode_projected(self.model, input.into(), Forward::EVAL)?;
        Ok(vectors.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?)
    }
}
