"""The HTTP server: uvicorn with limits on connections, non-blocking output and a safe shutdown."""
