package records

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Object is a record, or a part of one: its fields as they are written. Fields
// that are null, and empty texts and lists, are as if they were not there; errors
// wrap fault.ErrRequest and say in a reader's words what is wrong with which
// field.
type Object struct {
	within string // where it stands: "requested_rewrite." say
	fields map[string]json.RawMessage
	lower  map[string]string // names in small letters, of fields that have others
}

// deepest is how many lists may stand in one another around a text.
const deepest = 4

// Parse is a record.
func Parse(data json.RawMessage) (Object, error) { return parse(data, "") }

func parse(data json.RawMessage, at string) (Object, error) {
	o := Object{}
	if at != "" {
		o.within = at + "."
	}
	if kind(data) != "a record" {
		where := "it"
		if at != "" {
			where = code(at)
		}
		return o, bad("%s is %s where a record {..} belongs", where, shown(data))
	}
	if err := json.Unmarshal(data, &o.fields); err != nil {
		return o, bad("it is not JSON: %v", explained(err))
	}
	for name := range o.fields {
		l := strings.ToLower(name)
		if l == name {
			continue
		}
		if o.lower == nil {
			o.lower = map[string]string{}
		}
		if have, ok := o.lower[l]; !ok || name < have {
			o.lower[l] = name
		}
	}
	return o, nil
}

// raw is a field, by its name or else by that in capitals; nil if it is not there
// or null.
func (o Object) raw(name string) json.RawMessage {
	v, ok := o.fields[name]
	if !ok {
		v = o.fields[o.lower[name]]
	}
	if kind(v) == "null" {
		return nil
	}
	return v
}

// Names are the names of all fields, sorted.
func (o Object) Names() []string {
	out := make([]string, 0, len(o.fields))
	for k := range o.fields {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Has reports whether a field of one of the names is there, empty or not, but
// not null.
func (o Object) Has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return o.raw(n) != nil })
}

// Path is the name of a field with the parts that it stands in.
func (o Object) Path(name string) string { return o.within + name }

// Text is the first text of the first of the fields that has one, "" if none
// has. A text is a string, {"str": text}, or a list of these.
func (o Object) Text(names ...string) (string, error) {
	for _, name := range names {
		all, err := o.texts(name)
		if err != nil {
			return "", err
		}
		if len(all) > 0 {
			return all[0], nil
		}
	}
	return "", nil
}

// One is Text for fields that can have one text only.
func (o Object) One(names ...string) (string, error) {
	for _, name := range names {
		all, err := o.texts(name)
		if err != nil {
			return "", err
		}
		if len(all) > 1 {
			return "", bad("%s is a list of %d texts: write a record for each fact", code(o.Path(name)), len(all))
		}
		if len(all) == 1 {
			return all[0], nil
		}
	}
	return "", nil
}

// Texts are the texts of all of the fields that are not blank.
func (o Object) Texts(names ...string) ([]string, error) {
	var out []string
	for _, name := range names {
		all, err := o.texts(name)
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			if strings.TrimSpace(t) != "" {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// Firsts are the first texts of the elements of the first of the fields that is
// there; "" for an element that has none.
func (o Object) Firsts(names ...string) ([]string, error) {
	for _, name := range names {
		v := o.raw(name)
		if v == nil {
			continue
		}
		all := []json.RawMessage{v}
		if kind(v) == "a list" {
			all = elements(v)
		}
		out := make([]string, len(all))
		for i, e := range all {
			texts, err := appendTexts(nil, o.Path(name), e, 1)
			if err != nil {
				return nil, err
			}
			if len(texts) > 0 {
				out[i] = texts[0]
			}
		}
		return out, nil
	}
	return nil, nil
}

// Only is the record without other fields than these.
func (o Object) Only(names ...string) Object {
	out := Object{within: o.within, fields: map[string]json.RawMessage{}}
	for _, name := range names {
		if v := o.raw(name); v != nil {
			out.fields[name] = v
		}
	}
	return out
}

// texts are the texts of a field but for those that are "".
func (o Object) texts(name string) ([]string, error) {
	v := o.raw(name)
	if v == nil {
		return nil, nil
	}
	return appendTexts(nil, o.Path(name), v, 0)
}

func appendTexts(out []string, at string, v json.RawMessage, depth int) ([]string, error) {
	switch k := kind(v); {
	case k == "null":
		return out, nil
	case k == "a text":
		s, err := unquote(v, at)
		if err != nil || s == "" {
			return out, err
		}
		return append(out, s), nil
	case k == "a list" && depth < deepest:
		for _, e := range elements(v) {
			var err error
			if out, err = appendTexts(out, at, e, depth+1); err != nil {
				return out, err
			}
		}
		return out, nil
	case k == "a record" && depth < deepest:
		o, err := parse(v, at)
		if err != nil || o.raw("str") == nil {
			return out, bad("%s is a record without %s: a text belongs there, or {\"str\": text}", code(at), code("str"))
		}
		return appendTexts(out, at+".str", o.raw("str"), deepest)
	case k == "a number":
		return out, bad("%s is the number %s: write it as the text \"%s\"", code(at), cut(v), cut(v))
	}
	return out, bad("%s is %s where a text belongs", code(at), shown(v))
}

// Object is the record of a field; ok is false where there is none.
func (o Object) Object(name string) (in Object, ok bool, err error) {
	v := o.raw(name)
	if v == nil {
		return in, false, nil
	}
	in, err = parse(v, o.Path(name))
	return in, err == nil, err
}

// Objects are the records of a field: one, or a list of them.
func (o Object) Objects(name string) ([]Object, error) {
	v := o.raw(name)
	if kind(v) != "a list" {
		in, ok, err := o.Object(name)
		if !ok {
			return nil, err
		}
		return []Object{in}, nil
	}
	var out []Object
	for i, e := range elements(v) {
		in, err := parse(e, fmt.Sprintf("%s[%d]", o.Path(name), i))
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

// Whole is a whole number; ok is false where there is none.
func (o Object) Whole(name string) (n int, ok bool, err error) {
	v := o.raw(name)
	if v == nil {
		return 0, false, nil
	}
	if kind(v) != "a number" || json.Unmarshal(v, &n) != nil {
		return 0, false, bad("%s is %s where a whole number belongs", code(o.Path(name)), shown(v))
	}
	return n, true, nil
}

// Flag is true or false; false where there is none.
func (o Object) Flag(name string) (on bool, err error) {
	v := o.raw(name)
	if v == nil || kind(v) == "null" {
		return false, nil
	}
	if kind(v) != "true or false" {
		return false, bad("%s is %s where true or false belongs", code(o.Path(name)), shown(v))
	}
	return string(v) == "true", nil
}

// Label is a text, or a number as it is written.
func (o Object) Label(name string) (string, error) {
	v := o.raw(name)
	switch kind(v) {
	case "nothing":
		return "", nil
	case "a number":
		return string(v), nil
	case "a text":
		return unquote(v, o.Path(name))
	}
	return "", bad("%s is %s where a text or a number belongs", code(o.Path(name)), shown(v))
}

// Walk calls fn with the records and texts of a field that are in lists or by
// whatever names in a record, to a bounded depth; fn reports whether it took a
// record, which is looked into if not.
func (o Object) Walk(name string, record func(Object) (bool, error), text func(string) error) error {
	v := o.raw(name)
	if v == nil {
		return nil
	}
	return walk(v, o.Path(name), 0, record, text)
}

func walk(v json.RawMessage, at string, depth int, record func(Object) (bool, error), text func(string) error) error {
	switch k := kind(v); {
	case k == "null":
		return nil
	case k == "a text":
		s, err := unquote(v, at)
		if err != nil || strings.TrimSpace(s) == "" {
			return err
		}
		return text(s)
	case k == "a list" && depth < deepest:
		for i, e := range elements(v) {
			if err := walk(e, fmt.Sprintf("%s[%d]", at, i), depth+1, record, text); err != nil {
				return err
			}
		}
		return nil
	case k == "a record" && depth < deepest:
		o, err := parse(v, at)
		if err != nil {
			return err
		}
		if took, err := record(o); took || err != nil {
			return err
		}
		for _, name := range o.Names() {
			if err := walk(o.fields[name], o.Path(name), depth+1, record, text); err != nil {
				return err
			}
		}
		return nil
	}
	return bad("%s is %s where a question and its answer belong", code(at), shown(v))
}
