"""Vision pipelines, from a template to a job that runs on the platform."""
