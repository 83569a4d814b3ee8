"""Does a published number reproduce? The rules, as pure functions on numbers (statistics specification, section 3)."""
