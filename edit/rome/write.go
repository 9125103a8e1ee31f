package rome

import (
	"context"
	"encoding/json"
	"fmt"

	"retcon/edit"
	"retcon/edit/covariance"
	"retcon/edit/weight"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/internal/vec"
	"retcon/lm"
)

// Drafts bake the updates into the down-projection, in its own type or in a
// larger one.
func (w *work) Drafts(ctx context.Context, edits []*edit.Computed) ([]edit.Draft, error) {
	t := w.weights[w.layer]
	importance, err := w.importance(t)
	if err != nil {
		return nil, err
	}
	types := t.Candidates(importance)
	if len(types) == 0 {
		return nil, fault.Errorf(edit.ErrRefused, "%v cannot be written without %s, and there is no larger type", t.Info.Type, fault.Importance)
	}
	us := updates(edits)
	var out []edit.Draft
	for _, typ := range types {
		d := edit.Draft{Name: typ.String(), Make: func(ctx context.Context) (gguf.Edits, []gguf.KeyValue, error) {
			data, err := t.Bake(ctx, typ, us, importance)
			return gguf.Edits{Replace: []gguf.Tensor{{Name: t.Info.Name, Type: typ, Data: gguf.Bytes(data)}}}, nil, err
		}}
		if typ != t.Info.Type {
			c := edit.TypeChange{Tensor: t.Info.Name, From: t.Info.Type.String(), To: typ.String()}
			if len(out) == 0 {
				c.Reason = fmt.Sprintf("%v cannot be written without an importance matrix", t.Info.Type)
			}
			d.Changed = []edit.TypeChange{c}
		}
		out = append(out, d)
	}
	return out, nil
}

// importance are the weights of the columns of a weight, nil without an
// importance matrix.
func (w *work) importance(t *layerWeight) ([]float32, error) {
	if w.base.Imatrix == "" {
		return nil, nil
	}
	d, _, err := weight.ReadImatrix(w.base.Imatrix, t.Info.Name, int(t.Info.RowLength()))
	if err != nil {
		return nil, err
	}
	return vec.Narrow(d, 1), nil
}

// checkImatrix reports, before anything is computed, an importance matrix that
// does not serve these layers, also where an edit would have no use for it.
func (w *work) checkImatrix(ctx context.Context, layers ...int) error {
	b := w.base
	if b.Imatrix == "" {
		return nil
	}
	if err := weight.CheckImatrix(b.Imatrix, b.File, layers...); err != nil {
		return err
	}
	for _, layer := range layers {
		if w.h.Covariance != covariance.KindDiagonal {
			break
		}
		if _, _, err := w.store.Solver(ctx, w.h.Covariance, layer); err != nil {
			return err
		}
	}
	return nil
}

// Adapter makes the adapter that holds the updates exactly.
func (w *work) Adapter(edits []*edit.Computed, keys []gguf.KeyValue) (*gguf.Output, error) {
	return loraOutput(w.base.File, w.base.Info.Arch, updates(edits), keys)
}

// rankJSON is an update as journals have it.
type rankJSON struct {
	Layer int        `json:"layer"`
	Left  vec.Packed `json:"left,omitempty"`
	Right vec.Packed `json:"right,omitempty"`
}

// MarshalJSON writes the update, bit for bit.
func (r *Rank) MarshalJSON() ([]byte, error) { return json.Marshal(rankJSON{r.Layer, r.Left, r.Right}) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Rank) UnmarshalJSON(data []byte) error {
	var p rankJSON
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	r.Update = lm.Update{Layer: p.Layer, Left: p.Left, Right: p.Right}
	return nil
}
