# Why what was found before stays, though it was judged again.
unseen-failed = not looked at again: “{ $name }” gave no answer
unseen-unfit = not looked at again: “{ $name }” could not judge this message
unseen-excepted = not looked at again: an exception keeps “{ $name }” from looking
unseen-skipped = not looked at again: “{ $name }” let it pass unseen by its own settings
unseen-gone = not looked at again: “{ $name }” is not set up any more
unseen-elsewhere = not looked at again: “{ $name }” does not look at mail that came this way
unseen-not_reached = not looked at again: the check ended before “{ $name }”
unseen-nameless = not looked at again: nobody knows any more which check found it
unseen-also = also found: { $what }
unseen-fault = not looked at again: a fault of this server kept “{ $name }” from looking
