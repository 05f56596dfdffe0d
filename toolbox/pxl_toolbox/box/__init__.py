"""The box as a whole: the Docker engine, its services, and their health."""
