"""The pages, a module each; they read by ``backend.web.store`` and act by the domains' routes."""
