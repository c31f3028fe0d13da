"""Models that engines of servers ask, however they are reached."""
