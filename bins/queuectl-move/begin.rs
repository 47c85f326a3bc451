//! Finds both ends of a move and closes them for all other programs.

use queuectl_cli::{Context, Failure, check_place};
use queuectl_service::place::location;
use queuectl_settings::{Key, Settings};
use queuectl_store::{Access, Location, Move, MoveId, Stage, Store, StoreError, Whereabouts};
use std::ffi::OsStr;

/// Both ends of a move.
pub(crate) struct Ends {
    pub(crate) old: Box<dyn Store>,
    pub(crate) new: Box<dyn Store>,
    pub(crate) id: MoveId,
    pub(crate) from: Location,
    pub(crate) to: Location,
    /// An earlier call has opened the new location, and only has not said so at the old.
    pub(crate) is_open_there: bool,
}

/// Closes the old location, and reserves the new one.
///
/// What can be found out before is refused before anything is changed.
pub(crate) fn begin(cx: &Context, to: &OsStr) -> Result<Ends, Failure> {
    let (from, to) = (cx.location()?, place(cx, to)?);
    let (_, old) = find(cx, &from)?.ok_or_else(|| no_queue(&from))?;
    let there = find(cx, &to)?;
    if there.as_ref().is_some_and(|(_, new)| new.queue == old.queue) {
        return Err(Failure::error(format!("the queue {from} cannot be moved onto itself")));
    }
    refuse_inside_a_job(&old)?;
    for place in [&from, &to] {
        insist_text(place)?;
    }
    let way = match &there {
        Some((_, Whereabouts { stage: Stage::Left(left), .. })) if leads_to(cx, left, &old) => Way::Back,
        _ => Way::On,
    };
    let id = id_of(&old, there.as_ref().map(|(_, new)| new), &from, &to, way)?;
    if way == Way::Back {
        cx.output().note(format!("What was left at {to} is replaced by what is at {from}"));
    } else if let Some((mut store, new)) = there
        && !new.stage.is_of(&id)
    {
        if let Stage::Arriving(arriving) = &new.stage
            && is_given_up(cx, arriving)
        {
            let queue = shell_words::quote(&arriving.place);
            return Err(Failure::error(format!(
                "{to} has what an earlier move from {queue} has copied, which was given up there"
            ))
            .hint(format!("empty it with {}, then move again", abort_at(&to.to_string()))));
        }
        store.insist_open()?;
        if store.inventory()?.records() > 0 {
            return Err(StoreError::NotEmpty { queue: to }.into());
        }
    }
    let mut new = open(cx, &to, if way == Way::Back { Access::Return } else { Access::Write })?;
    // The last to be opened, so that the clock is this one's.
    let mut old = cx.store(Access::Write)?;
    old.leave(&Move { id: id.clone(), place: to.to_string() })?;
    new.receive(&Move { id: id.clone(), place: from.to_string() })?;
    let stage = new.whereabouts()?.map(|new| new.stage).unwrap_or_default();
    let is_open_there = matches!(stage, Stage::Arrived(_));
    Ok(Ends { old, new, id, from, to, is_open_there })
}

/// Tells whether the old location of a move is in that move no more, so that no other call goes on.
fn is_given_up(cx: &Context, arriving: &Move) -> bool {
    let old = place(cx, OsStr::new(&arriving.place)).and_then(|old| find(cx, &old));
    matches!(old, Ok(Some((_, old))) if !old.stage.is_of(&arriving.id))
}

/// What gives up a move at this end.
pub(crate) fn abort_at(place: &str) -> String {
    format!("`queuectl move --abort --database {}`", shell_words::quote(place))
}

/// Whether a queue goes to a new location, or to one that it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    On,
    Back,
}

/// Tells whether the queue that has left a location is the one that is to be moved,
/// however often it has moved since.
fn leads_to(cx: &Context, left: &Move, old: &Whereabouts) -> bool {
    const MOST_MOVES: usize = 16;
    let mut next = left.place.clone();
    for _ in 0..MOST_MOVES {
        let found = place(cx, OsStr::new(&next)).and_then(|place| find(cx, &place));
        match found {
            Ok(Some((_, found))) if found.queue == old.queue => return true,
            Ok(Some((_, Whereabouts { stage: Stage::Left(moved), .. }))) => next = moved.place,
            // In doubt nothing is replaced.
            _ => return false,
        }
    }
    false
}

/// Goes on with the move that was begun, or begins one.
fn id_of(
    old: &Whereabouts,
    new: Option<&Whereabouts>,
    from: &Location,
    to: &Location,
    way: Way,
) -> Result<MoveId, Failure> {
    // However the location is spelled.
    let is_there = |id| new.is_some_and(|new| new.stage.is_of(id));
    match &old.stage {
        Stage::Idle | Stage::Arrived(_) if way == Way::Back => Ok(MoveId::of_return()),
        Stage::Idle | Stage::Arrived(_) => Ok(MoveId::random()),
        Stage::Leaving(moved) | Stage::Switching(moved)
            if moved.place == to.to_string() || is_there(&moved.id) =>
        {
            Ok(moved.id.clone())
        }
        Stage::Leaving(moved) | Stage::Switching(moved) => {
            let place = shell_words::quote(&moved.place);
            Err(Failure::error(format!("the queue {from} is being moved to {} already", moved.place)).hint(
                format!(
                    "go on with `queuectl move --to {place}`, or give that up with `queuectl move --abort`"
                ),
            ))
        }
        Stage::Staying(moved) => {
            Err(Failure::error(format!("the move of {from} to {} is being given up", moved.place))
                .hint("finish that with `queuectl move --abort`"))
        }
        Stage::Left(moved) => {
            let place = shell_words::quote(&moved.place);
            Err(Failure::error(format!("the queue {from} has moved to {} already", moved.place))
                .hint(format!("move it on from there: `queuectl move --to PLACE --database {place}`")))
        }
        Stage::Arriving(moved) => {
            Err(StoreError::Arriving { queue: from.clone(), from: moved.place.clone() }.into())
        }
    }
}

/// A location that was typed, understood as `--database` is.
pub(crate) fn place(cx: &Context, typed: &OsStr) -> Result<Location, Failure> {
    check_place("--to", typed)?;
    let settings = Settings::load(&cx.overrides().with(Key::Database, Some(typed)))?;
    if let Location::File(path) = settings.database()
        && path.is_dir()
    {
        let inside = path.join("queue.db").display().to_string();
        return Err(Failure::error(format!("{} is a folder", path.display()))
            .hint(format!("name a file in it: `queuectl move --to {}`", shell_words::quote(&inside))));
    }
    Ok(location(&settings))
}

/// A queue that is there, and where it stands.
pub(crate) type Found = (Box<dyn Store>, Whereabouts);

/// Opens what is at a location, if a queue is there, and looks where it stands.
pub(crate) fn find(cx: &Context, place: &Location) -> Result<Option<Found>, Failure> {
    let mut store = match queuectl_store::open(place, &cx.open_options(Access::Read)?) {
        // It is from before there were moves.
        Err(StoreError::OlderSchema { .. }) => open(cx, place, Access::Write)?,
        opened => opened?,
    };
    Ok(store.whereabouts()?.map(|whereabouts| (store, whereabouts)))
}

pub(crate) fn open(cx: &Context, place: &Location, access: Access) -> Result<Box<dyn Store>, Failure> {
    Ok(queuectl_store::open(place, &cx.open_options(access)?)?)
}

pub(crate) fn no_queue(place: &Location) -> Failure {
    Failure::error(format!("there is no queue at {place}"))
        .hint("see where the queue is with `queuectl config get database`")
}

/// Both ends of a move note the other's place, as a text.
fn insist_text(place: &Location) -> Result<(), Failure> {
    match place {
        Location::File(path) if path.to_str().is_none() => Err(Failure::error(format!(
            "the name {place} is not UTF-8, so the other place of a move cannot note it"
        ))
        .hint("give the folder or the file another name first, while no worker runs: `mv OLD NEW`")),
        _ => Ok(()),
    }
}

/// A job that moves its own queue would wait for its own end.
fn refuse_inside_a_job(old: &Whereabouts) -> Result<(), Failure> {
    let run = std::env::var("QUEUECTL_RUN").unwrap_or_default();
    if run.split('/').next() == Some(old.queue.as_str()) {
        return Err(Failure::error("a job cannot move the queue it is in: it would wait for its own end")
            .hint("type it in a terminal"));
    }
    Ok(())
}
