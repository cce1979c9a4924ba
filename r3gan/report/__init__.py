"""Reports from records alone: for people and CI, for programs, for services, and one page for a browser."""
