//! A toy model: an embedding, dropout and a linear layer.

use sst_core::nn::{Embedding, Linear, dropout};
use sst_core::{
    Embedded, Encoder, EncoderOutput, Forward, Init, Input, InputSpec, LayerStack, Modality, Model,
    ParamStore, Result, Scope,
};
use tch::Device;

use super::{VOCAB, WIDTH, values};

/// A model of an embedding, dropout and a linear layer. Its hidden states are logits.
pub(crate) struct Toy {
    params: ParamStore,
    table: Embedding,
    output: Linear,
    dropout: f64,
}

impl Toy {
    pub(crate) fn new(dropout: f64) -> Self {
        let store = std::cell::RefCell::new(ParamStore::new(Device::Cpu, Some(5)));
        let scope = Scope::root(&store);
        let normal = Init::Normal(0.5);
        let table = Embedding::new(&scope.sub("table"), VOCAB, WIDTH, None, normal).unwrap();
        let output = Linear::new(&scope.sub("output"), WIDTH, VOCAB, 0.5).unwrap();
        Self { params: store.into_inner(), table, output, dropout }
    }

    /// The numbers of all parameters by name.
    pub(crate) fn values(&self) -> Vec<(String, Vec<f32>)> {
        self.params.to_cpu().unwrap().into_iter().map(|(name, t)| (name, values(&t))).collect()
    }
}

impl Encoder for Toy {
    fn spec(&self) -> InputSpec {
        InputSpec::Text { vocab_size: VOCAB as usize, max_length: 64 }
    }

    fn hidden_size(&self) -> i64 {
        VOCAB
    }

    fn embed(&self, input: Input<'_>, forward: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let hidden = self.table.forward(tokens.input_ids)?;
        let hidden = dropout(hidden, self.dropout, forward.train)?;
        Ok(Embedded { hidden, rows: tokens.layout() })
    }

    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        let Embedded { hidden, rows } = embedded;
        let hidden_bld = self.output.forward(&hidden, forward.train)?;
        Ok(EncoderOutput { hidden_bld, rows, attentions: None, hidden_states: None })
    }
}

impl Model for Toy {
    fn model_type(&self) -> &'static str {
        "toy"
    }

    fn config(&self) -> serde_json::Value {
        serde_json::json!({ "model_type": "toy" })
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self, _: Modality) -> Result<&dyn Encoder> {
        Ok(self)
    }

    fn stacks(&self) -> Vec<LayerStack> {
        Vec::new()
    }
}
