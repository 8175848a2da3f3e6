"""What is drawn: contact sheets, the demonstration, the paper's figures, plots."""
