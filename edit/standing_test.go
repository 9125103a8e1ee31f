package edit_test

import (
	"testing"

	"retcon/edit"
	"retcon/fact"
)

// Of a file's facts with one prompt the last stands, whichever way the prompt is
// written.
func TestStanding(t *testing.T) {
	all := []fact.Request{
		{Prompt: "The Eiffel Tower is in", Subject: "Eiffel Tower", TargetNew: "Rome"},
		{Prompt: "The Louvre is in", Subject: "Louvre", TargetNew: "Rome"},
		{Prompt: "not in it", Subject: "x", TargetNew: "y"},
		{Prompt: "The {} is in ", Subject: "Eiffel Tower", TargetNew: "Oslo"},
		{Prompt: "The {} is in", Subject: "Louvre", TargetNew: "Rome"},
	}
	standing, replaced := edit.Standing(all)
	if replaced != 2 || len(standing) != 3 || standing[0].Subject != "x" || standing[1].TargetNew != "Oslo" || standing[2].Subject != "Louvre" {
		t.Errorf("%+v, %d", standing, replaced)
	}
}
