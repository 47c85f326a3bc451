//! What is said of a queue that is, or was, moved.

use crate::explanation::Explanation;
use queuectl_core::Exit;
use queuectl_store::StoreError;

/// What a move has to do with it.
pub(crate) fn of_move(error: &StoreError, message: String) -> Explanation {
    match error {
        StoreError::Moved { to, .. } => {
            let place = shell_words::quote(to);
            Explanation::new(Exit::Busy, message).hint(format!("use the new place: `--database {place}`"))
        }
        StoreError::Staying { queue, .. } => {
            let place = queue.to_string();
            Explanation::new(Exit::Busy, message).hint(format!(
                "finish that with `queuectl move --abort --database {}`",
                shell_words::quote(&place)
            ))
        }
        StoreError::Arriving { queue, from } => {
            let (from, to) = (shell_words::quote(from).into_owned(), queue.to_string());
            Explanation::new(Exit::Busy, message).hint(format!(
                "try again when it is complete; if nobody is at it, go on with `queuectl move --to {to} --database \
                 {from}`, or give it up with `queuectl move --abort --database {to}`",
                to = shell_words::quote(&to)
            ))
        }
        StoreError::NotEmpty { .. } => Explanation::error(message)
            .hint("name a file that is not there, or another `?schema=NAME` of the server"),
        StoreError::NotThisMove { .. } => Explanation::error(message)
            .hint("it was given up or finished meanwhile; see what is there with `queuectl status`"),
        _ => Explanation::error(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_store::Location;

    #[test]
    fn a_queue_that_has_moved_leads_to_the_new_place() {
        let queue = Location::File("queue.db".into());
        let said = Explanation::from(StoreError::Moved { queue, to: "postgres://me@db/q".into() });
        assert_eq!(
            (said.exit, said.message.as_str(), said.hint.as_deref()),
            (
                Exit::Busy,
                "the queue queue.db has moved to postgres://me@db/q",
                Some("use the new place: `--database postgres://me@db/q`")
            )
        );
    }
}
