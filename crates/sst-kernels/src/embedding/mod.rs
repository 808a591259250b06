//! The sum of the embeddings of a token, such as word, position and type. The autograd node is in `cpp/embedding.cc`.

mod ffi;
mod kernel;

use std::ffi::c_int;

use kernel::{EmbeddingProblem, backward, forward};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::ffi::{check, pointers};

/// An embedding table, and the ids to look up in it.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// `[count, d]`.
    pub weight: &'a Tensor,
    /// Row numbers in int64, of any shape.
    pub ids: &'a Tensor,
    /// The row that gets no gradient, as `padding_idx` of PyTorch.
    pub padding_id: Option<i64>,
}

impl Lookup<'_> {
    /// Whether [`embedding_sum`] accepts this table, together with others of the same type.
    pub fn has_kernel(&self) -> bool {
        let weight = self.weight;
        let takes = matches!(weight.kind(), Kind::Float | Kind::BFloat16) && weight.dim() == 2;
        let is_plain = |x: &Tensor| x.device() == Device::Cpu && x.is_contiguous();
        takes && self.ids.kind() == Kind::Int64 && is_plain(weight) && is_plain(self.ids)
    }

    /// Checks that every id is a row number of the table.
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

/// For each position of the ids, the sum of one row of each table. All ids have one shape `[..]`; the result is `[.., d]` in
/// the type of the tables, summed in fp32. Differentiable once. A table that is a parameter gets its gradient at the end of
/// the backward pass: its rows are added to the gradient that is there, and no dense gradient is made in between.
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
    let weights = pointers(lookups.iter().map(|lookup| lookup.weight));
    let ids = pointers(lookups.iter().map(|lookup| lookup.ids));
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

/// Runs the forward or the backward pass; returns 1 if libtorch fails.
///
/// # Safety
/// `problem` must be a complete [`EmbeddingProblem`] with its tables.
unsafe extern "C" fn run(problem: *const EmbeddingProblem, is_backward: c_int) -> c_int {
    // SAFETY: as promised.
    let result = unsafe { if is_backward == 0 { forward(&*problem) } else { backward(&*problem) } };
    c_int::from(result.is_err())
}
