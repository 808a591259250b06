//! Names of metrics and of saved tensors that belong to one task of a run.

/// The name `name` with that of its task before it: `TASK/NAME`. In a run with one task, which has no name, it is
/// `name` itself.
pub(crate) fn with_task(task: &str, name: &str) -> String {
    match task {
        "" => name.to_owned(),
        task => format!("{task}/{name}"),
    }
}
