"""Pictures: functions over a fit or a diagnostic, each takes and returns matplotlib Axes."""
