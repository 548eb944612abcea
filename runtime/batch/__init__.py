"""An archive of videos: every file a session, all of them one Parquet data set, by processes of this machine."""
