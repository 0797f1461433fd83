//! Every bound of the program, with its reason. What happens when it is reached stands where it is used.
//!
//! A constant is documented by why it is that number; `tests/tidy.rs` holds that. What a user may change has its
//! default in `config` and its ceiling here.

mod content;
mod pages;
mod queue;
mod wire;

pub use content::*;
pub use pages::*;
pub use queue::*;
pub use wire::*;
