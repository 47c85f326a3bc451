//! What a manager says to its workers and to its guardian, one a line.

/// What a manager says to a worker, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ManagerCommand {
    /// Claim nothing more, finish what runs.
    Stop,
    /// End what runs.
    Force,
    /// The log was renamed; go on in this file.
    Log(String),
}

impl ManagerCommand {
    /// As it is written.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Stop => "stop\n".into(),
            Self::Force => "force\n".into(),
            Self::Log(path) => format!("log {path}\n"),
        }
    }

    /// Reads a line without its end; none if it says nothing that is known.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "stop" => Some(Self::Stop),
            None if line == "force" => Some(Self::Force),
            Some(("log", path)) => Some(Self::Log(path.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ManagerCommand;

    #[test]
    fn every_command_reads_back() {
        for command in
            [ManagerCommand::Stop, ManagerCommand::Force, ManagerCommand::Log("/a b/worker.log".into())]
        {
            assert_eq!(ManagerCommand::parse(command.line().trim_end()), Some(command));
        }
        assert_eq!(ManagerCommand::parse("stop now"), None);
    }
}
