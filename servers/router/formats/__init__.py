"""The one place where providers' formats meet the contract."""
