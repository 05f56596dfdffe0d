"""One module for each outside thing: processes, files, Docker, a registry, git, copier, uv."""
