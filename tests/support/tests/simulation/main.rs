//! The simulated apiserver must be right itself before anything is judged by it: every promise of
//! the imitation, seen through a socket.

mod client;
mod faults;
mod lists;
mod watches;
mod writes;
