package edit_test

import (
	"testing"

	"retcon/edit"
	"retcon/internal/fakemodel"
	"retcon/internal/neutral"
	"retcon/internal/vec"
	"retcon/lm"
)

func TestNoSideEffects(t *testing.T) {
	m := fakemodel.New()
	apply := func(us ...lm.Update) func() error { return func() error { return m.Apply(us) } }
	s, err := edit.MeasureSideEffects(t.Context(), m, apply(), apply(), neutral.Paragraphs()[1], 0, nil)
	if err != nil || s.KL > 1e-12 || s.SameTop1 != 1 || s.Tokens < 100 {
		t.Errorf("%+v %v", s, err)
	}
	u := lm.Update{Layer: 1, Left: vec.Narrow(fakemodel.Normals(1, fakemodel.FF, 1), 1), Right: vec.Narrow(fakemodel.Normals(2, fakemodel.Width, 1), 1)}
	seen := int64(0)
	s, err = edit.MeasureSideEffects(t.Context(), m, apply(), apply(u), neutral.Paragraphs()[1], 50, func(done, total int64) {
		if seen = done; total != 50 {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil || s.KL <= 0 || s.SameTop1 >= 1 || len(m.Updates) != 1 || s.Tokens != 50 || seen != 50 {
		t.Errorf("%+v after %d: %v", s, seen, err)
	}
}
