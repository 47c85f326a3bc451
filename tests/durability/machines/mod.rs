//! A queue on a server: faults of the server, of the network, of whole machines.

mod cuts;
mod field;
mod hangs;
mod links;
mod load;
mod outages;
mod server;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    // Those that wait for leases come first, beside the others.
    [cuts::trials(), links::trials(), outages::trials(), server::trials()].into_iter().flatten().collect()
}
