//! Every store against one suite.
//!
//! A further store adds a file like [`sqlite`], which implements
//! [`Harness`](conformance::Harness), and one line here.

mod claim;
mod conformance;
mod inspect;
mod intake;
mod lifecycle;
mod output;
mod race;
mod random;
mod rescue;
mod results;
mod sqlite;
mod sqlite_files;
mod sqlite_life;
mod upkeep;
mod workers;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [conformance::trials::<sqlite::Harness>(), sqlite_files::trials(), sqlite_life::trials()]
        .into_iter()
        .flatten()
        .collect()
}
