"""The console: pages for people, rendered here, that work offline and without scripts."""
