"""From what the probes returned to marks."""
