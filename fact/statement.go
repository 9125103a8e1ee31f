package fact

import (
	"encoding/json"

	"retcon/internal/records"
)

// Statement is what a record says of a fact as it is: what a request asks for
// but for the new answer, which it need not have.
type Statement struct {
	Prompt, Subject string // as written; empty where the record has none
	Old             string // the answer as it is, if the record has one
	Fields          records.Object
}

// Missing reports that the record has none of the fields.
func (s Statement) Missing(names ...string) error { return s.Fields.Missing(knownKeys, names...) }

// ParseStatements reads what a record of any form says, several where it has
// several facts. Errors wrap ErrRequest and name the field.
func ParseStatements(data []byte) ([]Statement, error) {
	forms, err := findForms(json.RawMessage(data))
	out := make([]Statement, len(forms))
	for i := range forms {
		f := &forms[i]
		if err == nil {
			err = f.state()
		}
		out[i] = Statement{f.Prompt, f.Subject, f.TargetTrue, f.in}
	}
	return out, err
}
