"""Where company data comes from: one module a source, each a generator of records and failures (see `base`)."""
