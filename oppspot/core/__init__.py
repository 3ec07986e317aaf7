"""What every app needs and none owns: database engine, errors, ids, HTTP. No models, no domain words."""
