package tpatcher

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"retcon/edit"
	"retcon/gguf/ffn"
)

// An edit is the same after a journal, to the last bit.
func TestNeuronsJSON(t *testing.T) {
	odd := []float32{1, -2.5e-39, math.MaxFloat32, 1.0 / 3}
	reports := []PatchReport{{Token: " Rome", Slot: -1}}
	for _, c := range []*edit.Computed{
		{Change: &Neurons{All: []ffn.Neuron{{Down: odd}, {Gate: odd, GateBias: 0.1, UpBias: 2, Down: odd}}, trained: 1, reports: reports, queries: odd},
			Report: edit.UpdateReport{Steps: 4}, Parts: reports, Warnings: []string{"w"}, Seconds: 2},
		{Change: &Neurons{All: []ffn.Neuron{}}},
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
		if !reflect.DeepEqual(got.Change, c.Change) || !reflect.DeepEqual(got.Parts, c.Parts) {
			t.Errorf("%+v, %+v\nbecame\n%+v, %+v", c.Change, c.Parts, got.Change, got.Parts)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != string(b) {
			t.Errorf("%s\nbecame\n%s, %v", b, again, err)
		}
		if got.Report != c.Report || got.Seconds != c.Seconds || !reflect.DeepEqual(got.Warnings, c.Warnings) {
			t.Errorf("%+v\nbecame\n%+v", c, got)
		}
	}
	for _, bad := range []string{
		`{"neurons":[],"trained":1}`, `{"neurons":[],"trained":-1}`, `{"neurons":[{"down":"AAA="}],"trained":1}`,
		`{"neurons":[{}],"trained":1,"patches":[{},{}]}`, `{"neurons":7}`,
	} {
		c := &edit.Computed{}
		if err := json.Unmarshal([]byte(bad), c); err == nil {
			err = (&work{}).Restore(c)
			if err == nil {
				t.Errorf("%s is read", bad)
			}
		}
	}
}
