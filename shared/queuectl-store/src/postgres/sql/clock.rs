//! What the server's clock says.

/// The server's clock, in milliseconds.
pub(super) const TIME: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// A worker's lease, for how long it was not renewed, and how old the server is, in
/// milliseconds. What follows from that is said in one place, `row::Silence`.
pub(super) const SILENCE: &str = "coalesce(lease_ms, 0) AS lease_ms, (CASE WHEN NOT isfinite(beat_at) THEN 9000000000000000 \
         ELSE coalesce(extract(epoch FROM clock_timestamp() - beat_at), 0) * 1000 END)::bigint AS silent_ms, \
     (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::bigint AS server_runs_ms";
