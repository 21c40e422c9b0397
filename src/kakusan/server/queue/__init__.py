"""Jobs that outlive the process: what was accepted is drawn once, or says why not."""
