"""What a DAG does: speech, video, publishing."""
