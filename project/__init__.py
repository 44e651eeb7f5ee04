"""The runnable site: settings from the environment, the admin, sample data and the demo."""
