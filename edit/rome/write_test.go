package rome

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"retcon/edit"
	"retcon/lm"
)

// An edit is the same after a journal, to the last bit.
func TestRankJSON(t *testing.T) {
	odd := []float32{1, -2.5e-39, math.MaxFloat32, 1.0 / 3, float32(math.Copysign(0, -1))}
	for _, c := range []*edit.Computed{
		{Change: &Rank{Update: lm.Update{Layer: 3, Left: odd, Right: odd[:2]}, Sink: true, Warnings: []string{"w"}, Report: edit.UpdateReport{KeyNorm: 1.0 / 3}},
			Report: edit.UpdateReport{KeyNorm: 1.0 / 3}, Warnings: []string{"w"}, Prefix: "In short. ", Seconds: 2, Refusals: []string{"r"}},
		{Change: &Rank{}},
	} {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got := &edit.Computed{}
		if err := json.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		if err := (&work{}).Restore(got); err != nil {
			t.Fatal(err)
		}
		is, should := got.Change.(*Rank), c.Change.(*Rank)
		if !reflect.DeepEqual(is, should) || math.Signbit(float64(at(is.Left, 4))) != math.Signbit(float64(at(should.Left, 4))) {
			t.Errorf("%+v\nbecame\n%+v", should, is)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != string(b) {
			t.Errorf("%s\nbecame\n%s, %v", b, again, err)
		}
		if got.Report != c.Report || got.Prefix != c.Prefix || got.Seconds != c.Seconds || !reflect.DeepEqual(got.Warnings, c.Warnings) || !reflect.DeepEqual(got.Refusals, c.Refusals) {
			t.Errorf("%+v\nbecame\n%+v", c, got)
		}
	}
	for _, bad := range []string{`{"left":"AAA="}`, `{"left":"?"}`, `{"layer":"x"}`} {
		c := &edit.Computed{}
		if err := json.Unmarshal([]byte(bad), c); err == nil {
			err = (&work{}).Restore(c)
			if err == nil {
				t.Errorf("%s is read", bad)
			}
		}
	}
	if err := (&work{}).Restore(&edit.Computed{}); err == nil {
		t.Error("an edit that was not read from JSON is restored")
	}
}

func at(v []float32, i int) float32 {
	if i < len(v) {
		return v[i]
	}
	return 0
}
