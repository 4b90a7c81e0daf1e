"""What a study costs: operations counted beforehand, resources asked for, and what jobs took."""
