"""Who chooses: samplers, the rules that stop trials, populations."""
