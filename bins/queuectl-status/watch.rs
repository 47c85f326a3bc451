//! Shows the queue again and again.

use crate::picture;
use queuectl_cli::{Context, Failure};
use std::time::Duration;

/// Looking more often would only burn time.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// Shows the queue until the person or the reader leaves.
///
/// In place on a terminal; one block after the other in a pipe. The store is
/// opened anew each time, so that a queue that is made later is seen.
pub(crate) fn watch(cx: &Context, interval: Duration, json: bool) -> Result<(), Failure> {
    let out = cx.output();
    let in_place = out.is_terminal() && !json;
    let mut above = 0;
    loop {
        let status = picture::take(cx)?;
        if json {
            out.json(&status.document())?;
        } else {
            let text = picture::text(cx, &status)?;
            // Up to the first line of the last picture, and clear from there.
            let back = if in_place && above > 0 { format!("\x1b[{above}A\x1b[J") } else { String::new() };
            let gap = if in_place { "" } else { "\n" };
            out.bytes(format!("{back}{text}\n{gap}").as_bytes())?;
            above = text.lines().count();
        }
        out.pause(interval.max(SHORTEST_INTERVAL))?;
    }
}
