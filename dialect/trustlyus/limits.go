package trustlyus

import "errors"

// Limits of what comes.
const (
	depthMax            = 8   // objects within objects
	idDigitsMax         = 15  // of a transaction's id. docs/spec/trustly-us.md#4-transaction-object
	referenceRunesMax   = 255 // of a merchantReference, in characters (D9)
	descriptionMax      = 255 // in characters
	messageRunesMax     = 40  // of a cancellation. docs/spec/trustly-us.md#93-post-transactionsidcancel
	urlBytesMax         = 2 << 10
	transactionsMax     = 10_000 // among which one list looks, of payments and of disbursements each (D14)
	countDefault        = 50     // of a list
	countMax            = 1_000
	refundMinorMin      = 99 // docs/spec/trustly-us.md#33-request-body
	preauthHoursMax     = 6
	amountCharactersMax = 10
)

var (
	errTwice    = errors.New("a name is there twice")
	errNoObject = errors.New("it is no JSON object")
	errBehind   = errors.New("there is something behind the JSON object")
	errDeep     = errors.New("its objects are nested too deep")
)
