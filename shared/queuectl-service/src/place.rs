//! Which queue the settings mean, and how it is opened.

use queuectl_files::Owners;
use queuectl_settings::{Places, Settings};
use queuectl_store::{Access, Location, OpenOptions};
use std::path::PathBuf;

/// Where the queue is that the settings mean.
pub fn location(settings: &Settings) -> Location {
    settings.database().clone()
}

/// How it is opened, to do so much with it.
pub fn open_options(settings: &Settings, access: Access, owners: Owners) -> OpenOptions {
    OpenOptions {
        access,
        busy_timeout: settings.busy_timeout(),
        connect_timeout: settings.connect_timeout(),
        state_folder: Some(settings.places().state_folder().to_owned()),
        owners,
    }
}

/// Where workers in the background write their log.
pub fn worker_log(places: &Places) -> PathBuf {
    places.state_folder().join("worker.log")
}
