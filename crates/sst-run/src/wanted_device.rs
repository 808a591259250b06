//! A device as the user asks for it, before it is known whether there is one.

/// The largest number of threads that may be asked for.
pub(crate) const MOST_THREADS: usize = 1_024;

/// A device as the user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A GPU if there is one.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index. It is an error if there is none.
    Cuda(usize),
}

/// Parses `auto`, `cpu`, `cuda` or `cuda:N`.
pub(crate) fn parse(text: &str) -> Result<Wanted, String> {
    let number = |digits: &str| digits.parse().map(Wanted::Cuda).ok();
    let wanted = match text {
        "auto" => Some(Wanted::Auto),
        "cpu" => Some(Wanted::Cpu),
        "cuda" => Some(Wanted::Cuda(0)),
        other => other.strip_prefix("cuda:").and_then(number),
    };
    wanted.ok_or_else(|| format!("\"{text}\" is not a device: write auto, cpu, cuda or cuda:N"))
}
