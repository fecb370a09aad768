"""Contract suites and fault wrappers, for our own tests and for those of third-party plug-ins."""
