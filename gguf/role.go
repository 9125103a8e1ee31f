package gguf

import (
	"errors"
	"fmt"
	"strings"
)

// Role is what a GGUF file is for, with its article.
type Role string

// The roles.
const (
	RoleModel      Role = "a model"
	RoleAdapter    Role = "a LoRA adapter"
	RoleImatrix    Role = "an imatrix"
	RoleProjector  Role = "a multimodal projector (mmproj)"
	RoleVocabulary Role = "a vocabulary without weights"
	RoleControl    Role = "a control vector"
	RoleEmpty      Role = "a header without tensors"
	RoleUnknown    Role = "a GGUF that does not say its architecture"
)

// ErrRole reports a file that is another kind of GGUF than is wanted.
var ErrRole = errors.New("wrong kind of file")

// RoleError is the error of a file in another's place. It wraps ErrRole.
type RoleError struct {
	Path     string
	Is, Want Role
}

// Error names the file and both roles.
func (e *RoleError) Error() string {
	return fmt.Sprintf("%s: %v: it is %s, not %s", e.Path, ErrRole, e.Is, e.Want)
}

// Unwrap is ErrRole.
func (e *RoleError) Unwrap() error { return ErrRole }

// suffixSums ends the names of tensors that importance matrices are made of.
const suffixSums = ".in_sum2"

// Role says what the file is for, by the keys that llama.cpp's tools write.
func (f *File) Role() Role {
	kind, _ := f.String("general.type")
	arch, _ := f.String("general.architecture")
	switch {
	case kind == "adapter" || f.Has("adapter.type"):
		return RoleAdapter
	case kind == "imatrix" || f.hasSums():
		return RoleImatrix
	case kind == "mmproj" || arch == "clip":
		return RoleProjector
	case arch == "controlvector":
		return RoleControl
	case len(f.Tensors) == 0 && f.Has("tokenizer.ggml.model"):
		return RoleVocabulary
	case arch == "":
		return RoleUnknown
	case len(f.Tensors) == 0:
		return RoleEmpty
	}
	return RoleModel
}

func (f *File) hasSums() bool {
	for _, t := range f.Tensors {
		if strings.HasSuffix(t.Name, suffixSums) {
			return true
		}
	}
	return false
}

// Expect reports a file that is for another role than is wanted, as a
// *RoleError.
func (f *File) Expect(want Role) error {
	if is := f.Role(); is != want {
		return &RoleError{f.Paths()[0], is, want}
	}
	return nil
}

// OpenAs opens the file at path, as Open does, and has it be for a role. Close
// it after use.
func OpenAs(path string, want Role) (*File, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	if err := f.Expect(want); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
