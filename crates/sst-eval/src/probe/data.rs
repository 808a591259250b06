//! Vectors and their classes, checked once for all probes.

use tch::{Kind, Tensor};

use super::error::ProbeError;

/// Rows that are converted to fp64 at once: at 4,096 features a row they take 256 MiB.
pub(super) const ROWS_AT_ONCE: i64 = 8192;

/// Frozen vectors `[n, d]` on any device, each with its class, one of `0..classes`.
#[derive(Debug)]
pub struct Labelled {
    features_nd: Tensor,
    labels: Vec<i64>,
    classes: usize,
}

impl Labelled {
    /// Takes vectors `[n, d]` of any floating-point type and the class of each. The vectors are not copied, and must not
    /// be changed while the result lives.
    ///
    /// # Errors
    /// If the features are not floating-point numbers of two dimensions or hold NaN or infinity, there is not one label a
    /// row, or a label is not in `0..classes`.
    pub fn new(features_nd: &Tensor, labels: &[i64], classes: usize) -> Result<Self, ProbeError> {
        let (rows, _) = check_features(features_nd)?;
        if labels.len() != rows {
            return Err(ProbeError::Count { what: "labels", found: labels.len(), expected: rows });
        }
        let is_wrong = |label: &i64| usize::try_from(*label).map_or(true, |label| label >= classes);
        if let Some(row) = labels.iter().position(is_wrong) {
            return Err(ProbeError::Label { row, label: labels[row], classes });
        }
        Ok(Self { features_nd: features_nd.f_detach()?, labels: labels.to_vec(), classes })
    }

    /// The number of rows, `n`.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The vectors, `[n, d]`.
    pub fn features_nd(&self) -> &Tensor {
        &self.features_nd
    }

    /// The class of each row.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// How many classes there are, those without a row included.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many rows each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for label in &self.labels {
            counts[*label as usize] += 1;
        }
        counts
    }

    /// The same vectors with other labels, such as those of a control task.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn relabelled(&self, labels: &[i64], classes: usize) -> Result<Self, ProbeError> {
        Self::new(&self.features_nd, labels, classes)
    }

    /// The given rows, in the given order. Copies them.
    pub(super) fn select(&self, rows: &[usize]) -> Result<Self, ProbeError> {
        let indices: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let indices_m = Tensor::from_slice(&indices).f_to(self.features_nd.device())?;
        let features_nd = self.features_nd.f_index_select(0, &indices_m)?;
        let labels = rows.iter().map(|row| self.labels[*row]).collect();
        Ok(Self { features_nd, labels, classes: self.classes })
    }
}

/// The number of rows and the width of finite floating-point vectors `[n, d]`.
///
/// # Errors
/// If they are not, with the first row that holds NaN or infinity.
pub(super) fn check_features(features_nd: &Tensor) -> Result<(usize, usize), ProbeError> {
    let kind = features_nd.f_kind()?;
    let is_float = matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
    let (rows, width) = match features_nd.size()[..] {
        [rows, width] if is_float => (rows, width),
        _ => return Err(ProbeError::Shape(format!("{kind:?} {:?}", features_nd.size()))),
    };
    for (first, count) in chunks(rows) {
        let finite_m = features_nd.f_narrow(0, first, count)?.f_isfinite()?.f_all_dim(1, false)?;
        let wrong = Vec::<i64>::try_from(&finite_m.f_logical_not()?.f_nonzero()?.f_flatten(0, 1)?)?;
        if let Some(row) = wrong.first() {
            return Err(ProbeError::NotFinite { row: (first + row) as usize });
        }
    }
    Ok((rows as usize, width as usize))
}

/// The first row and the number of rows of each chunk of `rows` rows.
pub(super) fn chunks(rows: i64) -> impl Iterator<Item = (i64, i64)> {
    let starts = (0..rows).step_by(ROWS_AT_ONCE as usize);
    starts.map(move |first| (first, ROWS_AT_ONCE.min(rows - first)))
}
