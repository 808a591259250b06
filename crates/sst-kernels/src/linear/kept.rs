//! Weights as kernels want them, kept while nobody changes them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::Layout;
use super::tiles::{PackedWeight, Unit, unit};
use crate::autocast::product_kind;
use crate::error::Result;
use crate::grad::grad_enabled;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::new(Kept::default());
}

/// What is kept, each beside the tensors it was made of: while these live, no other has their place in memory.
#[derive(Default)]
struct Kept {
    guards: usize,
    /// By the type of their product too, which may be autocast's.
    joints: HashMap<([Place; 3], Kind), ([Tensor; 3], Tensor)>,
    packed: HashMap<Product, (Tensor, Rc<PackedWeight>)>,
}

/// What tells one tensor from others that live.
type Place = (usize, Vec<i64>, Kind);

/// A weight, how it lies, whether its products are exact, and what makes them.
type Product = (Place, Layout, bool, Option<Unit>);

fn place(tensor: &Tensor) -> Place {
    (tensor.data_ptr() as usize, tensor.size(), tensor.kind())
}

/// Until it is dropped, this thread keeps what kernels without gradients make of weights; see [`keep_weights`].
#[derive(Debug)]
pub struct KeepWeights(PhantomData<*const ()>);

/// Lays weights out once for many products, and not for each, until the guard is dropped. They must not change while
/// it lives. They cost as much memory again as they take, or half as much more, and joint ones twice that.
#[must_use = "weights are kept until it is dropped"]
pub fn keep_weights() -> KeepWeights {
    KEPT.with_borrow_mut(|kept| kept.guards += 1);
    KeepWeights(PhantomData)
}

impl Drop for KeepWeights {
    fn drop(&mut self) {
        KEPT.with_borrow_mut(|kept| {
            kept.guards -= 1;
            if kept.guards == 0 {
                *kept = Kept::default();
            }
        });
    }
}

fn is_keeping() -> Result<bool> {
    Ok(KEPT.with_borrow(|kept| kept.guards > 0) && !grad_enabled()?)
}

/// What `make` makes of three tensors, or made of them before.
pub(crate) fn kept_joint(
    parts: [&Tensor; 3],
    make: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    if !is_keeping()? {
        return make();
    }
    let key = (parts.map(place), product_kind(parts[0])?);
    let found = KEPT.with_borrow(|kept| kept.joints.get(&key).map(|(_, x)| x.shallow_clone()));
    if let Some(found) = found {
        return Ok(found);
    }
    let made = make()?;
    let value = (parts.map(Tensor::shallow_clone), made.shallow_clone());
    KEPT.with_borrow_mut(|kept| kept.joints.insert(key, value));
    Ok(made)
}

/// A contiguous weight packed for products of tiles, now or before.
pub(super) fn packed(weight: &Tensor, layout: Layout, exact: bool) -> Result<Rc<PackedWeight>> {
    if !is_keeping()? {
        return Ok(Rc::new(PackedWeight::new(weight, layout, exact)?));
    }
    let key = (place(weight), layout, exact, unit());
    if let Some(found) = KEPT.with_borrow(|kept| kept.packed.get(&key).map(|(_, x)| x.clone())) {
        return Ok(found);
    }
    let made = Rc::new(PackedWeight::new(weight, layout, exact)?);
    let value = (weight.shallow_clone(), made.clone());
    KEPT.with_borrow_mut(|kept| kept.packed.insert(key, value));
    Ok(made)
}
