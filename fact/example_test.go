package fact_test

import (
	"fmt"
	"strings"

	"retcon/fact"
)

// Requests come in the forms of several data sets; a fact knows where its
// subject stands and which space its target has.
func ExampleParseRequests() {
	file := `{"prompt": "{} is located in the city of", "subject": "The Eiffel Tower", "target_new": "Rome"}
{"requested_rewrite": {"prompt": "The mother tongue of {} is", "subject": "Danielle Darrieux", "target_new": {"str": "English"}}}`
	requests, err := fact.ParseRequests(strings.NewReader(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range requests {
		f, err := r.Resolve()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q | %q | %q\n", f.Text[:f.Begin], f.Text[f.Begin:f.End], f.Text[f.End:]+f.New)
	}
	// Output:
	// "" | "The Eiffel Tower" | " is located in the city of Rome"
	// "The mother tongue of " | "Danielle Darrieux" | " is English"
}

// A target gets the space that a writer would put before it.
func ExampleFollow() {
	for _, text := range []string{"The tower is in", "塔在", "It is (", "It is"} {
		fmt.Printf("%q\n", text+fact.Follow(text, "Rome"))
	}
	// Output:
	// "The tower is in Rome"
	// "塔在Rome"
	// "It is (Rome"
	// "It is Rome"
}
