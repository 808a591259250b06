//! An encoder of one's own: its parameters, one vector for each row of tokens, and its weights in a safetensors file.
//! `cargo run -p sst-core --example own_encoder -- FILE.safetensors`

use std::cell::RefCell;
use std::path::Path;

use sst_core::checkpoint::{Allow, Renamed, Weights, load_params, write_tensors};
use sst_core::nn::{Embedding, Linear, Pooling};
use sst_core::{Embedded, Encoder, EncoderOutput, Forward, Init, Input, InputSpec};
use sst_core::{ParamStore, RaggedRows, Result, Scope, Tokens, encode_pooled};
use tch::{Device, Tensor};

/// Each token is an embedding and a linear layer, which do not depend on the other tokens.
pub(crate) struct BagOfTokens {
    pub(crate) params: ParamStore,
    embeddings: Embedding,
    dense: Linear,
}

impl BagOfTokens {
    /// An encoder of 100 token ids, with random weights that depend on `seed`.
    pub(crate) fn new(seed: u64) -> Result<Self> {
        let store = RefCell::new(ParamStore::new(Device::Cpu, Some(seed)));
        let scope = Scope::root(&store);
        let table = scope.sub("embeddings");
        let embeddings = Embedding::new(&table, 100, 16, None, Init::Normal(1.0))?;
        let dense = Linear::new(&scope.sub("dense"), 16, 8, 0.3)?;
        Ok(Self { params: store.into_inner(), embeddings, dense })
    }
}

impl Encoder for BagOfTokens {
    fn spec(&self) -> InputSpec {
        InputSpec::Text { vocab_size: 100, max_length: 512 }
    }

    fn hidden_size(&self) -> i64 {
        8
    }

    fn embed(&self, input: Input<'_>, _: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        Ok(Embedded { hidden: self.embeddings.forward(tokens.input_ids)?, rows: tokens.layout() })
    }

    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        let hidden_bld = self.dense.forward(&embedded.hidden, forward.train)?.f_tanh()?;
        Ok(EncoderOutput { hidden_bld, rows: embedded.rows, attentions: None, hidden_states: None })
    }
}

/// The vectors `[b, 8]` of rows of token ids: each is the mean of the hidden states of a row. The rows lie one after the
/// other, without padding.
pub(crate) fn vectors(encoder: &BagOfTokens, rows: &[&[i64]]) -> Result<Tensor> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
    let ids_t = Tensor::from_slice(&rows.concat());
    let layout = RaggedRows::new(&lengths, Device::Cpu);
    let input = Tokens::ragged(&ids_t, &layout).into();
    tch::no_grad(|| encode_pooled(encoder, input, &[Pooling::Mean], Forward::EVAL))
}

/// Saves the weights of `encoder` in `path`, and loads them into a new encoder.
pub(crate) fn save_and_load(encoder: &BagOfTokens, path: &Path) -> Result<BagOfTokens> {
    write_tensors(path, &encoder.params.to_cpu()?, &[])?;
    let mut loaded = BagOfTokens::new(0)?;
    // Every tensor of the file must be a parameter of the same name and shape, and every parameter must be in the file.
    let rename = |name: &str| Renamed::To(name.to_owned());
    load_params(&mut loaded.params, &Weights::open(path)?, rename, &Allow::default())?;
    Ok(loaded)
}

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program has arguments and prints"
)]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a file for the weights")?;
    let encoder = save_and_load(&BagOfTokens::new(1)?, Path::new(&path))?;
    vectors(&encoder, &[&[7, 12, 41], &[41, 7, 12], &[99]])?.print();
    Ok(())
}
