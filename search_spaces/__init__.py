"""What a trial may try, who chooses next, and what is known of the trials."""
