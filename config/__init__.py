"""Data only: device profiles, policies, example sites and ledgers, packaged with the wheel."""
