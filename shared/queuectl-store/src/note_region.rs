//! Where in the lock file a new worker has its notes.

/// The lowest region of notes that no worker at work uses and where there is room.
///
/// # Errors
///
/// Those of `has_room`.
pub(crate) fn free_region<E>(
    in_use: &[i64],
    mut has_room: impl FnMut(u32) -> Result<bool, E>,
) -> Result<u32, E> {
    let mut region = 0;
    // What cannot be a region is in no worker's way: another worker's row may be spoilt.
    while in_use.contains(&i64::from(region)) || !has_room(region)? {
        region += 1;
    }
    Ok(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_region_that_is_free_and_has_room_is_taken() {
        let anywhere = |_| Ok::<_, ()>(true);
        assert_eq!(free_region(&[], anywhere), Ok(0));
        assert_eq!(free_region(&[3, 0, 1, -5], anywhere), Ok(2));
        assert_eq!(free_region(&[0, 2], |region| Ok::<_, ()>(region != 1)), Ok(3));
    }
}
