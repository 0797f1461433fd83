//! The pages behind the links of digests, `/d/TOKEN`: GET and HEAD show how things stand, a button's POST acts.
//!
//! A GET writes nothing but the first visit of the hidden link. A POST needs the page's nonce and the cookie that it was
//! issued with, and no other site's word for it; whatever is refused is answered with the same page and a fresh nonce,
//! never with a bare status. Not here: what a link may do (`digest::desk`), and how a hold ends (`queue`).

pub mod bind;
pub mod form;
pub mod visits;
