"""The command line face. The only place that prints."""
