"""What each page shows, as plain values that its template writes and ``?as=json`` answers."""
