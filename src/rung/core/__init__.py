"""The pure core: types and decisions. No io, clock, environment or randomness."""
