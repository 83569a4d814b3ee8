"""The commands of `reprise data`, a file per subject."""
