"""Systems whose versions interact and whose best combination is known, to judge searches by."""
