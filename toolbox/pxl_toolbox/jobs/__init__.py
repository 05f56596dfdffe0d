"""The journal of durable steps and the executors that carry them out."""
