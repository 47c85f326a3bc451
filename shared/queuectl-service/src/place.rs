//! Which queue the settings mean, and how it is opened.

use queuectl_files::Owners;
use queuectl_settings::{Database, Settings};
use queuectl_store::{Access, Location, OpenOptions};

/// Where the queue is that the settings mean.
pub fn location(settings: &Settings) -> Location {
    match settings.database() {
        Database::File(path) => Location::File(path.clone()),
        Database::Url(url) => Location::Url(url.clone()),
    }
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
