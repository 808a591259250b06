//! How a forward pass is run.

/// What a forward pass returns besides the last hidden states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// The attention probabilities of every layer. They need the eager attention, which is slower.
    pub attentions: bool,
    /// The input of the first layer and the output of every layer.
    pub hidden_states: bool,
}

/// How a forward pass is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forward {
    /// Whether dropout is on.
    pub train: bool,
    /// What it returns besides the last hidden states.
    pub want: Want,
}

impl Forward {
    /// Dropout is on.
    pub const TRAIN: Self =
        Self { train: true, want: Want { attentions: false, hidden_states: false } };
    /// Dropout is off.
    pub const EVAL: Self =
        Self { train: false, want: Want { attentions: false, hidden_states: false } };
}
