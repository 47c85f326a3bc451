-- A queue can be moved. Both places say where the other is, and know the move by
-- the same random id; what is not moved says nothing.
ALTER TABLE queue ADD COLUMN move_stage TEXT CONSTRAINT move_stage_is_known CHECK (
    move_stage = 'leaving' OR move_stage = 'switching' OR move_stage = 'left' OR move_stage = 'staying'
    OR move_stage = 'arriving' OR move_stage = 'arrived');
ALTER TABLE queue ADD COLUMN move_id TEXT
    CONSTRAINT a_move_has_an_id CHECK ((move_id IS NULL) = (move_stage IS NULL));
ALTER TABLE queue ADD COLUMN move_place TEXT    -- the other place, without a password
    CONSTRAINT a_move_has_two_places CHECK ((move_place IS NULL) = (move_stage IS NULL));
