//! Names of what belongs to one task of several.

/// `figure` of the task `name`: `name/figure`, or `figure` alone where there is one task.
pub(crate) fn of_task(name: &str, figure: &str) -> String {
    match name {
        "" => figure.to_owned(),
        name => format!("{name}/{figure}"),
    }
}
