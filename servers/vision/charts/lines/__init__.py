"""Line charts: strokes traced, named and read at their data."""
