//! How a forward pass is run.

/// What to return besides the last hidden state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// The attention probabilities of every layer; uses the eager path.
    pub attentions: bool,
    /// The input of the first layer and the output of every layer.
    pub hidden_states: bool,
}

/// How a forward pass is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forward {
    /// Whether dropout is on.
    pub train: bool,
    /// What to return.
    pub want: Want,
}

impl Forward {
    /// With dropout.
    pub const TRAIN: Self =
        Self { train: true, want: Want { attentions: false, hidden_states: false } };
    /// Without dropout.
    pub const EVAL: Self =
        Self { train: false, want: Want { attentions: false, hidden_states: false } };
}
