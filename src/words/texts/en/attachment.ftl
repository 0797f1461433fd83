# What was found in attachments and archives.
why-blocked = Attachment of a kind that is not let through: { $name } ({ $type })
why-encrypted = Only a password opens it: { $name }
why-damaged = Could not be checked, the archive is damaged: { $name }
why-packed = Could not be checked, packed by { $method }: { $name }
why-busy = Not checked yet, too many other messages; it is tried again by itself
why-encoding = Could not be checked, { $name } is in an unknown encoding ({ $encoding })
why-piece = Could not be checked, the message is only a piece of a larger one: { $name }
why-binhex = Could not be checked, { $name } holds a file in BinHex
why-bound = Could not be checked, { $name } exceeds a bound ({ $bound })
why-bound-mail = Could not be checked, the message exceeds a bound ({ $bound })
# What clamd finds and what is no malware; the name is that of its finding.
why-clamd-limits = Could not be checked whole, it exceeds a limit of the virus scanner ({ $name })
why-clamd-encrypted = An attachment opens with a password only, so it could not be checked ({ $name })
why-clamd-macros = An Office file with macros ({ $name })
