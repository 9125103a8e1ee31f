//go:build unix

package eval

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"retcon/internal/input"
)

// What can be read once, as a pipe, is read once, and hashed as it was read.
func TestTaskFromPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	go func() {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			f.WriteString(fiveFacts)
			f.Close()
		}
	}()
	task, err := NewTask(TaskConfig{Data: path, Stages: []Stage{Match}})
	if err != nil || len(task.Records) != 5 || task.Settings.Data != (Source{File: "pipe", Sum: digest([]byte(fiveFacts))}) {
		t.Errorf("%+v, %v", task, err)
	}
	in := &input.Inputs{Stdin: strings.NewReader(fiveFacts)}
	task, err = NewTask(TaskConfig{Data: input.Stdin, Open: in.Open, Stages: []Stage{Match}})
	if err != nil || len(task.Records) != 5 || task.Settings.Data != (Source{File: "stdin", Sum: digest([]byte(fiveFacts))}) {
		t.Errorf("%+v, %v", task, err)
	}
}
