"""Why an answer, its data and its chart are what they are."""
