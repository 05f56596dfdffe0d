"""The box: the Docker engine, the images and the services of this machine."""
