"""What is known of the trials: their records, the database, the study's folder."""
