"""The embedded platform: a server that speaks the REST API of Picsellia."""
