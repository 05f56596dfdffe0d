"""Files on disk become frozen values here, and every parse error names file, line and key."""
