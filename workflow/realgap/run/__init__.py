"""How a step is run on a machine or a cluster: command line, job log, failures, takeover, verification."""
