package records

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"retcon/internal/fault"
)

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		have, want string
		is         bool
	}{
		{"target_nwe", "target_new", true}, {"targetNew", "target_new", true}, {"target-new", "target_new", true}, {"new_target", "target_new", true},
		{"prompts", "prompt", true}, {"Subject ", "subject", true}, {"subjct", "subject", true}, {"target_true", "target_new", false},
		{"id", "alt", false}, {"text", "target", false}, {"", "prompt", false}, {"promptly_told_by_somebody_else", "prompt", false},
	} {
		if alike(c.have, c.want) != c.is {
			t.Errorf("%q and %q: not %v", c.have, c.want, c.is)
		}
	}
	for _, c := range []struct {
		a, b string
		n    int
	}{{"kitten", "sitting", 3}, {"", "ab", 2}, {"größe", "grösse", 2}, {"same", "same", 0}} {
		if n := distance(c.a, c.b); n != c.n {
			t.Errorf("%q, %q: %d", c.a, c.b, n)
		}
	}
}

// A field is read by what it is, and refused by its place.
func TestObject(t *testing.T) {
	o, err := Parse(json.RawMessage(`{"Name": "a", "list": ["b", null, ["c", {"str": "d"}]], "n": 3, "flag": false, "in": {"x": {"str": 1}}, "none": null}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := o.Text("none", "name"); s != "a" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if l, err := o.Texts("name", "list", "nosuch"); strings.Join(l, "") != "abcd" || err != nil {
		t.Errorf("%q, %v", l, err)
	}
	if l, err := o.Firsts("list"); len(l) != 3 || l[2] != "c" || err != nil {
		t.Errorf("%q, %v", l, err)
	}
	if s, err := o.Label("n"); s != "3" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if n, ok, err := o.Whole("n"); n != 3 || !ok || err != nil {
		t.Errorf("%d, %v, %v", n, ok, err)
	}
	in, ok, err := o.Object("in")
	if !ok || err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func() error{
		"`list` is a list of 3 texts":          func() error { _, err := o.One("list"); return err },
		"`in.x.str` is the number 1":           func() error { _, err := in.Text("x"); return err },
		"`flag` is false where a text belongs": func() error { _, err := o.Text("flag"); return err },
		"`name` is a text where a record":      func() error { _, err := o.Objects("name"); return err },
		"`Name` is a text where a whole":       func() error { _, _, err := o.Whole("Name"); return err },
		"it has no `nam`; its keys are":        func() error { return o.Missing(o.Names(), "nam") },
		"it has no `in.y`; its keys are `x`":   func() error { return in.Missing(nil, "y") },
	} {
		if err := f(); !errors.Is(err, fault.ErrRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestSkip(t *testing.T) {
	r, err := NewReader(strings.NewReader("{'a'}\r\nand more\n\n{\"b\": 1} {\"c\":\n2}\n{,}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 10 {
		data, err := r.Next()
		if err != nil {
			if errors.As(err, new(*json.SyntaxError)) && r.Skip() {
				got = append(got, "-")
				continue
			}
			break
		}
		got = append(got, strings.ReplaceAll(string(data), "\n", ""))
	}
	if s := strings.Join(got, "|"); s != `-|{"b": 1}|{"c":2}|-` || r.Count() != 4 {
		t.Errorf("%s, %d", s, r.Count())
	}
}
