//! What informerd is judged by: a simulated apiserver, a recorder and one validator per guarantee.
//!
//! Nothing here may depend on the daemon's own decoding, filtering or storage: a judge that
//! shares code with the accused errs in its favour.

pub mod control_plane;
pub mod evaluate;
pub mod mutate;
pub mod recorder;
pub mod simulation;
pub mod testbed;
pub mod trace;
pub mod truth;
pub mod validate;
