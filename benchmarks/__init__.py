"""Each speed claim of the documents beside a peer on the same work: `make bench`."""
