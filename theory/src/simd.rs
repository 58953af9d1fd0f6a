//! Loops compiled for the instruction set found at run time.

/// Runs `work` compiled for the widest instruction set of this processor. Mark the closure `#[inline(always)]`.
///
/// The bound is `FnMut` and not `FnOnce` on purpose: a closure that could be called again is called as `FnOnce` only
/// through a shim, which is not inlined, and then its loops stay compiled for the oldest processor.
#[inline(always)]
pub fn wide<R>(work: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Wide(work))
}

struct Wide<F>(F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Wide<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
