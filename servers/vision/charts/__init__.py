"""Charts: pixels and words become typed charts by calibration, colour and geometry, without a learned model."""
