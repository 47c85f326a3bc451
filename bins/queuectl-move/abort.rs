//! `queuectl move --abort`: gives up a move that was not finished, from either end.

use crate::begin::{abort_at, find, no_queue, open, place};
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure};
use queuectl_service::document::done::AbortedMove;
use queuectl_store::{Access, Location, Move, Stage, StoreError};
use std::ffi::OsStr;

/// What is at the new location.
enum There {
    /// Nothing of this move.
    Nothing,
    /// What was there is gone.
    Emptied,
    /// The queue, and it is open.
    Open,
}

pub(crate) fn abort(cx: &Context, json: bool) -> Result<(), Failure> {
    let here = cx.location()?;
    let (_, found) = find(cx, &here)?.ok_or_else(|| no_queue(&here))?;
    let done = match found.stage {
        Stage::Leaving(moved) | Stage::Switching(moved) | Stage::Staying(moved) => stay(cx, &here, &moved)?,
        Stage::Arriving(moved) => turn_away(cx, &here, &moved)?,
        Stage::Left(moved) => return Err(too_late(&here, &moved)),
        Stage::Idle | Stage::Arrived(_) => {
            return Err(Failure::error(format!("the queue {here} is not being moved")));
        }
    };
    if json {
        return cx.output().json(&done);
    }
    if let Some(place) = &done.emptied {
        cx.output().line(format!("Emptied {}", escape(place)))?;
    }
    if let Some(place) = &done.opened {
        cx.output().line(format!("The queue {} is open again", escape(place)))?;
        // The place that was typed may be the one that was emptied.
        let at = match cx.global().database {
            Some(_) => format!(" --database {}", shell_words::quote(place)),
            None => String::new(),
        };
        cx.output()
            .note(format!("hint: its workers were stopped; start them with `queuectl worker start{at}`"));
    }
    Ok(())
}

/// Opens the old location again, unless the new one is open.
fn stay(cx: &Context, here: &Location, moved: &Move) -> Result<AbortedMove, Failure> {
    let mut old = open(cx, here, Access::Write)?;
    // First, so that no other call opens the new location after it was looked at.
    let stood = old.turn_back(&moved.id)?;
    let emptied = match withdraw(cx, moved) {
        Ok(There::Open) => {
            old.close(&moved.id)?;
            return Err(too_late(here, moved));
        }
        Ok(There::Emptied) => Some(moved.place.clone()),
        Ok(There::Nothing) => None,
        Err(failure) if matches!(stood, Stage::Leaving(_)) => {
            cx.output().warn(format!(
                "what was copied to {} is still there: {}",
                moved.place,
                failure.message()
            ));
            cx.output().note(format!("hint: remove it with {}", abort_at(&moved.place)));
            None
        }
        // It may be open.
        Err(failure) => return Err(failure),
    };
    old.stay(&moved.id)?;
    Ok(AbortedMove { opened: Some(here.to_string()), emptied })
}

/// The same from the new location; if the old one cannot be found, only this one is emptied.
fn turn_away(cx: &Context, here: &Location, moved: &Move) -> Result<AbortedMove, Failure> {
    let old = place(cx, OsStr::new(&moved.place))?;
    match find(cx, &old) {
        Ok(Some((_, found))) if found.stage.is_of(&moved.id) => {
            let moved = Move { id: moved.id.clone(), place: here.to_string() };
            return stay(cx, &old, &moved);
        }
        // It is in this move no more.
        Ok(_) => {}
        Err(failure) => {
            cx.output().warn(format!("{old} is still closed: {}", failure.message()));
            cx.output().note(format!("hint: open it with {}", abort_at(&moved.place)));
        }
    }
    open(cx, here, Access::Write)?.withdraw(&moved.id)?;
    Ok(AbortedMove { opened: None, emptied: Some(here.to_string()) })
}

/// Empties the new location if it is not open.
fn withdraw(cx: &Context, moved: &Move) -> Result<There, Failure> {
    let there = place(cx, OsStr::new(&moved.place))?;
    match find(cx, &there)?.map(|(_, new)| new.stage) {
        Some(Stage::Arriving(arriving)) if arriving.id == moved.id => {
            match open(cx, &there, Access::Write)?.withdraw(&moved.id) {
                // Another process was faster.
                Err(StoreError::NotThisMove { .. }) => withdraw(cx, moved),
                withdrawn => Ok(withdrawn.map(|()| There::Emptied)?),
            }
        }
        Some(stage) if stage.is_of(&moved.id) => Ok(There::Open),
        _ => Ok(There::Nothing),
    }
}

fn too_late(here: &Location, moved: &Move) -> Failure {
    Failure::error(format!("the queue {here} has moved to {}, which is open", moved.place)).hint(format!(
        "move it back, to a place where no queue is: `queuectl move --to PLACE --database {}`",
        shell_words::quote(&moved.place)
    ))
}
