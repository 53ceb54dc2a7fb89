"""What each page shows, gathered from the services into plain values for a template."""
