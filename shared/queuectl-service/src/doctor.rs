//! How well a queue is, and what stands beside it.

use crate::explanation::Explanation;
use crate::place::{location, open_options, worker_log};
use queuectl_files::Owners;
use queuectl_settings::{Places, Settings};
use queuectl_store::{Access, Finding};
use std::path::Path;

/// Examines the queue that the settings mean: what this program knows itself, then what
/// the store finds. Creates and changes nothing; settings that cannot be read are a finding.
pub fn examine(version: &str, settings: Result<&Settings, Explanation>, owners: Owners) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("program", format!("queuectl {version}"))];
    match settings {
        Ok(settings) => {
            let file = settings.places().config_file();
            let found = if file.exists() { "can be read" } else { "is not there: the defaults count" };
            findings.push(Finding::ok("configuration", format!("{} {found}", file.display())));
            findings.extend(beside(settings.places()));
            let options = open_options(settings, Access::Read, owners);
            findings.extend(queuectl_store::diagnose(&location(settings), &options));
        }
        // Where the queue is stands there.
        Err(Explanation { message, hint, .. }) => {
            let mend = "mend it, and examine the queue again: `queuectl config check` says where it is wrong";
            let advice = hint.unwrap_or_else(|| mend.to_owned());
            findings.push(Finding::error("configuration", message, advice));
        }
    }
    findings
}

/// Whether workers in the background can write their log, and the configuration can be
/// locked while it is changed.
fn beside(places: &Places) -> Vec<Finding> {
    let (folder, file) = (places.state_folder(), places.config_file());
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    let looked_at = [
        ("log-file", queuectl_files::check_beside(folder, &worker_log(places))),
        ("configuration", queuectl_files::check_beside(file, Path::new(&lock))),
    ];
    let unfit = looked_at.into_iter().filter_map(|(check, found)| Some((check, found.err()?)));
    unfit
        .map(|(check, unfit)| {
            let advice = unfit.hint("remove it, or name another folder with QUEUECTL_HOME");
            Finding::error(check, unfit.to_string(), advice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::said::is_well;

    #[test]
    fn settings_that_cannot_be_read_are_a_finding_with_what_to_do() {
        let findings = examine("1.2.3", Err(Explanation::error("it is broken")), Owners::Own);
        assert_eq!(findings[0].found, "queuectl 1.2.3");
        let finding = &findings[1];
        assert_eq!((finding.check, finding.found.as_str()), ("configuration", "it is broken"));
        assert!(finding.advice.as_ref().unwrap().contains("queuectl config check"));
        assert!(!is_well(&findings));
    }
}
