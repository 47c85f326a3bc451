-- A queue can be moved. Both places say where the other is, and know the move by
-- the same random id; what is not moved says nothing.
ALTER TABLE @queue
    ADD COLUMN move_stage text CONSTRAINT move_stage_is_known CHECK (
        move_stage IN ('leaving', 'switching', 'left', 'staying', 'arriving', 'arrived')),
    ADD COLUMN move_id text
        CONSTRAINT a_move_has_an_id CHECK ((move_id IS NULL) = (move_stage IS NULL)),
    ADD COLUMN move_place text      -- the other place, without a password
        CONSTRAINT a_move_has_two_places CHECK ((move_place IS NULL) = (move_stage IS NULL));
