package edit

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	ffn "retcon/gguf/widen"
	"retcon/lm"
)

// An edit is the same behind a journal, of either method, to the last bit.
func TestComputedJSON(t *testing.T) {
	odd := []float32{1, -2.5e-39, math.MaxFloat32, 1.0 / 3}
	for _, c := range []*Computed{
		{Rank: &Rank{Update: lm.Update{Layer: 3, Left: odd, Right: odd[:2]}, Sink: true, Warnings: []string{"w"}, Report: UpdateReport{KeyNorm: 1.0 / 3}}, Seconds: 2, Refusals: []string{"r"}},
		{Rank: &Rank{Report: UpdateReport{Steps: 4}}, Neurons: []ffn.Neuron{{Down: odd}, {Gate: odd, GateBias: 0.1, UpBias: 2, Down: odd}},
			Patches: []PatchReport{{Token: " Rome"}}, queries: odd, trained: 1},
		{Rank: &Rank{}, Neurons: []ffn.Neuron{}},
	} {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got := &Computed{}
		if err := json.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("%+v\nbecame\n%+v", c, got)
		}
	}
	for _, bad := range []string{`{"neurons":[],"trained":1}`, `{"left":"AAA="}`} {
		if err := json.Unmarshal([]byte(bad), &Computed{}); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
