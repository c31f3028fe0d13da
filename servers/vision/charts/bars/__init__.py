"""Bar charts: standing, lying, grouped, stacked, with a line over them."""
