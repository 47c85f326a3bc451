//! Every store against one suite.
//!
//! A further store adds a file like [`sqlite`], which implements
//! [`Harness`](conformance::Harness), and one line here.

mod claim;
mod conformance;
mod filters;
mod holds;
mod inspect;
mod intake;
mod lifecycle;
mod limits;
mod obstacles;
mod output;
mod pauses;
mod postgres;
mod postgres_answers;
mod postgres_keys;
mod postgres_plans;
mod postgres_schemas;
mod postgres_tls;
mod queues;
mod race;
mod random;
mod rescue;
mod results;
mod sqlite;
mod sqlite_files;
mod sqlite_life;
mod transfer;
mod transfer_locations;
mod unique;
mod unique_race;
mod upkeep;
mod wishes;
mod workers;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        conformance::trials::<sqlite::Harness>(),
        conformance::trials::<postgres::Harness>(),
        postgres_answers::trials(),
        postgres_keys::trials(),
        postgres_plans::trials(),
        postgres_tls::trials(),
        sqlite_files::trials(),
        sqlite_life::trials(),
        transfer_locations::trials(),
        postgres_schemas::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
