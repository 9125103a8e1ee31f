package corpus

import "strings"

// Openers begin the texts that a model writes itself.
var Openers = strings.Fields("The In A On It When This He She They We After There For At As If From During One Many Some Most " +
	"With By An His Her Its Two New What How Why To Of All No While Since Before Today Once")
