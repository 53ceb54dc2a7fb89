"""The subcommands of `vigie`, one file each."""
