package result

import (
	"encoding/json"
	"testing"
)

// The JSON of the command line: its names and their order.
func TestJSON(t *testing.T) {
	r := Trace{
		Tokens: []string{"a"}, TokensBytes: [][]byte{{0xf0, 0x9f}, {}}, AnswerBytes: []byte{0xff}, Grids: Grids{Hidden: [][]float64{{1}}, Severed: &Severed{Single: []float64{1}}},
		LogitDifference: &LogitDifference{Foil: "b", Measure: Measure{Clean: 2, Grids: Grids{MLP: [][]float64{{3}}}}},
		Approx:          &Approximated{1, []Cell{{MLP, 0, 1}}},
	}
	got, err := json.Marshal(r)
	const want = `{"prompt":"","tokens":["a"],"tokens_bytes":["8J8=",""],"subject":[0,0],"answer":"","answer_bytes":"/w==","answer_token":0,"p_clean":0,"p_corrupted":0,"noise":0,"samples":0,"window":0,` +
		`"hidden":[[1]],"severed":{"single":[1],"mlp_severed":null,"attn_severed":null},` +
		`"logit_difference":{"foil":"b","clean":2,"corrupted":0,"mlp":[[3]]},` +
		`"approx":{"steps":1,"refined":[{"kind":"mlp","token":0,"layer":1}]},"seconds":0}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
	for kind, has := range map[string]bool{Hidden: true, MLP: false, Attn: false, "x": false} {
		if (r.Grid(kind) != nil) != has {
			t.Errorf("grid %q: %v", kind, r.Grid(kind))
		}
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct{ layer, w, layers, begin, end, low, high int }{
		{5, 1, 12, 5, 6, 5, 5},
		{5, 4, 12, 3, 7, 4, 5},
		{5, 3, 12, 4, 7, 5, 5},
		{0, 4, 12, 0, 2, 0, 1},
		{11, 4, 12, 9, 12, 10, 10},
		{1, 10, 3, 0, 3, 1, 1},
	} {
		begin, end := Window(c.layer, c.w, c.layers)
		low, high := Centre(c.layer, c.w, c.layers)
		if begin != c.begin || end != c.end || low != c.low || high != c.high {
			t.Errorf("%+v: [%d, %d), centre %d to %d", c, begin, end, low, high)
		}
	}
}
