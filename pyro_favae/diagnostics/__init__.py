"""Reading a fit: functions over a fit and data."""
