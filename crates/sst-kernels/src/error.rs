//! The errors of this crate.

/// A kernel or a function of libtorch failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch refused an operation.
    #[error("libtorch: {}", without_stack(&.0.to_string()))]
    Torch(tch::TchError),
    /// An argument has a wrong shape, type or device, or a kernel panicked. The message says which.
    #[error("{0}")]
    Contract(String),
}

// Written by hand, without `source`: otherwise the message of libtorch, which contains a stack trace, would be
// printed as well.
impl From<tch::TchError> for Error {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The message of a libtorch error without its source location and stack trace.
pub fn without_stack(message: &str) -> &str {
    const STACKS: [&str; 2] = ["Exception raised from ", "frame #0: "];
    let end = STACKS.iter().filter_map(|stack| message.find(stack)).min();
    message[..end.unwrap_or(message.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn errors_of_libtorch_are_a_sentence_without_a_stack() {
        let (a, b) =
            (Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu)), Tensor::from(1.0_f32));
        let error = Error::from(a.f_matmul(&a).unwrap_err());
        let text = error.to_string();
        assert!(text.contains("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"), "{text}");
        assert!(!text.contains("Exception raised") && text.lines().count() == 1, "{text}");
        assert!(std::error::Error::source(&error).is_none());
        let inside = a.f_matmul(&b).unwrap_err().to_string();
        assert!(!inside.contains("frame #"), "{inside}");
    }
}
