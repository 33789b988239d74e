"""What a running rung tells its operator's tools: metrics, traces, logs. Never a word of a text."""
