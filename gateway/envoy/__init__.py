"""The one door: Envoy's configuration, built from the contracts and the table of services, checked, and run."""
