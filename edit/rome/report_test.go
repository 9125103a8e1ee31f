package rome

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/internal/fault"
)

// lines are the lines of a report, label and text.
func lines(ls []edit.Line) (out []string) {
	for _, l := range ls {
		out = append(out, l.Label+": "+l.Text)
	}
	return out
}

func TestReport(t *testing.T) {
	made := covariance.Stats{Kind: covariance.KindFull, Source: "sampled", Cached: true, Made: covariance.Made{Keys: 15360}}
	w := &work{layer: 5, from: "default", ready: true, solvers: map[int]layerSolver{5: {Stats: made}}}
	u := edit.UpdateReport{KeyNorm: 10.4, Denominator: 7.27, DeltaNorm: 8.38, WeightNorm: 172, Steps: 9, Loss: 0.05}
	r := &edit.Result{Edits: []*edit.Edit{{Update: &u}}}
	w.Report(r)
	want := []string{
		"method: rome at layer 5, the default for a model of this depth; " + string(fault.SeveralLayers) + " may be better",
		"covariance: full, of 15,360 tokens that the model wrote (cached)",
		"update: norm 8.38, 4.87 % of the weight's norm 172; key 10.4, denominator 7.27; 9 steps to loss 0.05",
	}
	if d := cmp.Diff(want, lines(r.Lines)); d != "" {
		t.Errorf("one request (-want +got)\n%s", d)
	}
	if r.Layer != 5 || r.LayerFrom != "default" || r.Covariance != "full" || r.Stats != made {
		t.Errorf("%+v", r)
	}

	u.AtClamp, u.WeightNorm = true, 0
	w = &work{layer: 7, from: "trace", ready: true, tried: make([]edit.LayerTrial, 3), solvers: map[int]layerSolver{7: {Stats: covariance.Stats{
		Kind: covariance.KindDiagonal, Source: "imatrix", Made: covariance.Made{Keys: 1234}}}}}
	w.located = &edit.Located{Layer: 7, Window: [2]int{2, 12}, Effect: 0.213, RunnerUp: &edit.RunnerUp{Layer: 6, Effect: 0.2},
		PClean: 0.704, PCorrupted: 0.004, Facts: 2, Caveat: "it need not be the best to edit"}
	r = &edit.Result{Edits: []*edit.Edit{{Record: 1, Update: &u}, {Record: 2, Error: "the target is empty"}}}
	w.Report(r)
	want = []string{
		"method: rome at layer 7, to which the trace points",
		"trace: FFN outputs of layers 2 to 11 at the subject's last token raise the answer's probability by 0.213, from 0.004 (clean: 0.704), means over 2 requests; next is layer 6 with 0.2",
		" : it need not be the best to edit",
		"covariance: diagonal, from the importance matrix (1,234 inputs)",
		"update 1: norm 8.38; key 10.4, denominator 7.27; 9 steps to loss 0.05, at the clamp",
	}
	if d := cmp.Diff(want, lines(r.Lines)); d != "" {
		t.Errorf("several requests (-want +got)\n%s", d)
	}
	if len(r.LayersTried) != 3 || r.Located != w.located {
		t.Errorf("%+v", r)
	}
	for from, text := range map[string]string{"asked": "method: rome at layer 7, as asked", "auto": "method: rome at layer 7, the best of 3 that were tried"} {
		w.from, r = from, &edit.Result{}
		if w.Report(r); lines(r.Lines)[0] != text {
			t.Errorf("%s: %q", from, r.Lines[0])
		}
	}
	r = &edit.Result{}
	if (&work{tried: w.tried}).Report(r); len(r.Lines) > 0 || len(r.LayersTried) != 3 {
		t.Errorf("before it was ready: %+v", r)
	}
}

func TestPlanLines(t *testing.T) {
	p := &edit.Plan{Layer: 5, LayerFrom: "auto", Tensor: "blk.5.ffn_down.weight", Type: "Q4_1", Shape: "1536x576", TensorBytes: 552960,
		Covariance: "full", StatsKeys: 15360, StatsBytes: 9 << 20, StatsTime: 150}
	want := []string{
		"method: rome at layer 5 and others around it, of which the best is taken",
		"tensor: blk.5.ffn_down.weight, Q4_1 1536x576, 540 KB",
		"covariance: full, to be made from 15,360 tokens in about 2 min, then cached in 9.0 MB",
	}
	if d := cmp.Diff(want, lines(planLines(p))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	p.LayerFrom, p.StatsCached = "asked", true
	want[0], want[2] = "method: rome at layer 5, as asked", "covariance: full, cached"
	if d := cmp.Diff(want, lines(planLines(p))); d != "" {
		t.Errorf("cached (-want +got)\n%s", d)
	}
}
