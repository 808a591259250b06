//! Rows of tables, added up: the embeddings of a token. The graph is in `cpp/embedding.cc`.

mod kernel;

use std::ffi::c_int;

pub(super) use kernel::Task;
use kernel::{backward, forward};
use tch::{Device, Kind, Tensor};

use super::{check, ffi};
use crate::error::{Error, Result};

/// A table, and whose rows are taken.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// `[count, d]`.
    pub weight: &'a Tensor,
    /// Rows, in int64, of any shape.
    pub ids: &'a Tensor,
    /// The row that gets no gradient.
    pub padding_id: Option<i64>,
}

impl Lookup<'_> {
    /// Whether the kernel takes such a table, beside others of the same kind.
    pub fn has_kernel(&self) -> bool {
        let weight = self.weight;
        let takes = matches!(weight.kind(), Kind::Float | Kind::BFloat16) && weight.dim() == 2;
        let is_plain = |x: &Tensor| x.device() == Device::Cpu && x.is_contiguous();
        takes && self.ids.kind() == Kind::Int64 && is_plain(weight) && is_plain(self.ids)
    }

    /// All ids must be those of rows.
    fn check(&self) -> Result<()> {
        let count = self.weight.size2()?.0;
        // SAFETY: contiguous int64 numbers on the host, which nobody changes meanwhile.
        let ids = unsafe {
            let data = self.ids.data_ptr().cast::<i64>().cast_const();
            if self.ids.numel() == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(data, self.ids.numel())
            }
        };
        match ids.iter().find(|id| !(0..count).contains(*id)) {
            None => Ok(()),
            Some(id) => Err(Error::Contract(format!("id {id} is outside a table of {count} rows"))),
        }
    }
}

/// The sum of one row of each table for each of the ids, which have one shape: `[.., d]` in the tables' type, summed in
/// fp32. Differentiable once. A table that is a parameter is given its gradient when the backward pass ends: rows are
/// added to what there is of it, and no dense gradient is made.
///
/// # Errors
/// If a table has no kernel ([`Lookup::has_kernel`]), tables or ids are not alike, an id is outside its table, or
/// libtorch fails.
pub fn embedding_sum(lookups: &[Lookup<'_>]) -> Result<Tensor> {
    let Some(first) = lookups.first() else {
        return Err(Error::Contract("embeddings: there is no table".to_owned()));
    };
    let width = |lookup: &Lookup<'_>| lookup.weight.size().get(1).copied();
    let alike = |lookup: &Lookup<'_>| {
        lookup.has_kernel()
            && lookup.weight.kind() == first.weight.kind()
            && width(lookup) == width(first)
            && lookup.ids.size() == first.ids.size()
    };
    if !lookups.iter().all(alike) {
        let message = "embeddings: tables of one type and width and ids of one shape are needed";
        return Err(Error::Contract(message.to_owned()));
    }
    for lookup in lookups {
        lookup.check()?;
    }
    let weights = ffi::pointers(lookups.iter().map(|lookup| lookup.weight));
    let ids = ffi::pointers(lookups.iter().map(|lookup| lookup.ids));
    let paddings: Vec<i64> = lookups.iter().map(|lookup| lookup.padding_id.unwrap_or(-1)).collect();
    let mut y = std::ptr::null_mut();
    let run: ffi::EmbeddingRun = run;
    // SAFETY: as many live tensors of each, whose sizes and numbers were checked, and a writable place. `run` gets the
    // struct it expects.
    check(unsafe {
        ffi::sst_embedding(
            lookups.len(),
            weights.as_ptr(),
            ids.as_ptr(),
            paddings.as_ptr(),
            run,
            &raw mut y,
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(y) })
}

/// The forward or the backward pass; 1 if libtorch fails.
///
/// # Safety
/// `task` must be a whole [`Task`] with its tables.
unsafe extern "C" fn run(task: *const Task, is_backward: c_int) -> c_int {
    // SAFETY: as promised.
    let result = unsafe { if is_backward == 0 { forward(&*task) } else { backward(&*task) } };
    c_int::from(result.is_err())
}
