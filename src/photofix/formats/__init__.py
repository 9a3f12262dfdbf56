"""One file per picture format: read(stream) -> Photo, and write(photo, ...) of what the format can hold."""
