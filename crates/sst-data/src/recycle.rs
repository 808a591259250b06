//! Memory of large arrays of pixels, which is used again.
//!
//! The pixels of a batch take many megabytes. An allocator returns so much memory to the system when it is freed, and the
//! system clears each page when it is allocated again. For pictures of 224 x 224 pixels this takes longer than everything
//! else that is done to them.

use std::sync::{Mutex, PoisonError};

use crate::example::{Example, Field};
use crate::pixels::{PixelValues, Pixels};

/// Arrays with fewer numbers are left to the allocator, which keeps their memory.
const LEAST: usize = 1 << 14;
/// The most numbers that are kept in all arrays together: 256 MiB.
const MOST: usize = 64 << 20;

/// The arrays that are not in use.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// An empty array with room for `len` numbers: one that was given back if any fits, and otherwise a new one.
pub fn array(len: usize) -> Vec<f32> {
    if len >= LEAST {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        // A much larger array is left for those that need it.
        let fits = |array: &Vec<f32>| (len..=2 * len).contains(&array.capacity());
        if let Some(at) = free.iter().rposition(fits) {
            return free.swap_remove(at);
        }
    }
    Vec::with_capacity(len)
}

/// Keeps the memory of an array for [`array()`], unless much is kept already.
pub fn give_back(mut array: Vec<f32>) {
    if array.capacity() < LEAST {
        return;
    }
    array.clear();
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept: usize = free.iter().map(Vec::capacity).sum();
    if kept + array.capacity() <= MOST {
        free.push(array);
    }
}

/// Keeps the memory of the pixels of examples that are no longer needed.
pub(crate) fn give_back_pixels(examples: Vec<Example>) {
    for field in examples.into_iter().flat_map(|example| example.fields.into_values()) {
        if let Field::Pixels(Pixels { values: PixelValues::F32(values), .. }) = field {
            give_back(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_that_fits_is_used_again() {
        // No other test uses arrays of this size.
        let len = 123_456;
        let first = array(len);
        let (place, capacity) = (first.as_ptr(), first.capacity());
        assert!(capacity >= len && first.is_empty());
        give_back(vec![1.0; LEAST - 1]);
        give_back(first);
        let (larger, smaller) = (array(len * 3), array(len / 3));
        assert_ne!(larger.as_ptr(), place, "too small");
        assert_ne!(smaller.as_ptr(), place, "much too large");
        let again = array(len - 1);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        let other = array(len);
        assert_ne!(other.as_ptr(), place, "in use");
        give_back(Vec::with_capacity(MOST + 1));
        assert!(FREE.lock().unwrap().iter().all(|kept| kept.capacity() <= MOST));
    }
}
