"""What any simulator needs: random numbers, threads, memory, files, provenance, settings, progress, errors."""
