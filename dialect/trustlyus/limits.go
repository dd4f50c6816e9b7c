package trustlyus

// Limits of what comes.
const (
	amountMinorMin      = 99     // of a transaction, in cents. docs/spec/trustly-us.md#33-request-body
	amountCharactersMax = 10     // of an amount as it is written
	referenceRunesMax   = 255    // of a reference or a name, in characters (D9)
	descriptionRunesMax = 255    // in characters (D9)
	messageRunesMax     = 40     // of a cancellation. docs/spec/trustly-us.md#93-post-transactionsidcancel
	urlBytesMax         = 2_048  // (D9)
	preauthHoursMax     = 6      // docs/spec/trustly-us.md#96-others
	depthMax            = 8      // objects within objects
	transactionsMax     = 10_000 // among which one list looks, of payments and of disbursements each (D14)
	countDefault        = 50     // of a list
	countMax            = 1_000
)
